"""How picture files are put together: walkers that separate picture data from metadata."""
