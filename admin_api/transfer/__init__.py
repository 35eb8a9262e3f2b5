"""Meters in and out of files: CSV, YAML, JSON to rows, rows to a plan, a plan to the store; and the way back.

Used by the API and meterctl alike. Nothing here knows HTTP or a terminal.
"""
