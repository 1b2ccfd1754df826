"""What happened: one event a request, crash-safe, down to Parquet and DuckDB; run manifests."""
