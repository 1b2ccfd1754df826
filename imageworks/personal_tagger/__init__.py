"""Captions, keywords and descriptions for a photo library, and what may be written. Pure."""
