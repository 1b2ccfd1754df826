"""Prompts: profiles edited with their prompt as a model would get it beside them, tested, kept and promoted."""
