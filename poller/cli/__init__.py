"""The meter side of ``meterctl``, reached by entry-point name."""
