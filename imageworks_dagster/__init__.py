"""The Dagster face: assets, checks, partitions, schedules, sensors, and the `imageworks` command."""
