"""Prompts of other tools, brought here and written for them; what cannot be carried over is told, never dropped."""
