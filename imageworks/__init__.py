"""Judging and tagging, pure: functions from data to data. No Dagster, no HTTP."""
