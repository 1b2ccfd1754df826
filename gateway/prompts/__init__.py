"""``/v1/prompts``: what prompts say, what is kept of them, and who may change it."""
