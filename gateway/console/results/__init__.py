"""Results: batches, their photos with what models and people say of them, and two runs beside each other."""
