"""``/v1/iqa/run``: pictures are scored by image-quality models."""
