"""What the stages of Personal-Tagger do: from a prepared stage to its outcome."""
