"""REST API, metrics page and command line: they write wishes into the store and read state from it."""
