"""Answers by rule from measured signals: what models are compared with. Pure."""
