"""The `imageworks` command: the same definitions as the web server's, run from a terminal."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from imageworks_dagster.command.app import run  # noqa: PLC0415 - Dagster loads for two seconds
    except KeyboardInterrupt:
        sys.exit(130)
    run()
