"""Alembic's scripts: how the state database came to be what `store.tables` says."""

# The newest revision, named here so that opening an up-to-date database does not import Alembic;
# a test holds it to the scripts.
HEAD = "0012"
