"""Prompts improved by machine: measured on labelled examples, changed within a contract, with their lineage kept."""
