"""Two little folders of photos to try the system on, made by code from public-domain pictures."""
