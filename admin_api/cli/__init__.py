"""``meterctl``: a lazy dispatcher, one module per family of commands."""
