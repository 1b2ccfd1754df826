-- Run once, when the volume is new: Dagster's own tables stand apart from ours.
CREATE DATABASE dagster;
