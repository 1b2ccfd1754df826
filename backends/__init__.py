"""How a model is reached: one client, its providers, and the lease step."""
