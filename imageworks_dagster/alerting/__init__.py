"""Who is told when a run failed: what an alert says, how it is delivered, and the sensors that do."""
