"""What exists: the models, their deployments and limits. The single source of truth."""
