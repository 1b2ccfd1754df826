"""For operators: whose turn a device is, and which models there are."""
