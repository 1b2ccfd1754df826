"""The protocols of the backends: how a request becomes a body, and a response an answer."""
