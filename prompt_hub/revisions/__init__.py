"""Revisions of profiles in the state database, the labels that point at them, and who may move those."""
