"""The right to use a model: the lease step of asking."""
