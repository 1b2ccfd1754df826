"""Workloads on paper: what a policy would do with devices that one does not have, in virtual time."""
