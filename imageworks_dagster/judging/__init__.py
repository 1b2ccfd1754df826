"""What the stages of Judge-Vision do: from a prepared stage to its outcome."""
