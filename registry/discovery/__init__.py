"""What running servers have, as entries for a registry.yaml; the one part of the registry that asks anybody."""
