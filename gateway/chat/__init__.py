"""``/v1/chat/completions``: what is asked, how it is checked, and what it is answered with."""
