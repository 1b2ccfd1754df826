"""``/v1/telemetry/query``: one SELECT over telemetry, asked in a process that can be ended."""
