"""Prompt tests: cases in YAML, assertions about prompts and answers, results that labels may require."""
