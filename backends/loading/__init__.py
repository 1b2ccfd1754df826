"""How a server is told to load a model and to unload it, by provider."""
