"""The scanner: looks for meters in ranges of addresses, one attempt per host and port, without any password."""
