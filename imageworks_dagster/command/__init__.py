"""The `imageworks` command: the same definitions as the web server's, run from a terminal."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from imageworks_dagster.command.app import run  # noqa: PLC0415 - Dagster loads for two seconds

    run()
