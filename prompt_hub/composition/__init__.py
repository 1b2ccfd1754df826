"""Compositions: small graphs of profile stages, declared in YAML, checked before they run, and walked by the hub."""
