"""What is written about a picture beside its pixels: reading it, merging safely into it, undoing that."""
