"""Judging a photographic competition: rules, critiques, playoff, results, report. Pure."""
