"""What is said to a model: prompt profiles, layered, strictly rendered and hashed."""
