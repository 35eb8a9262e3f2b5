"""One process: watches how fresh every meter's telemetry is, and acts on the process at fault."""
