"""One operating-system process, one meter: asks it, journals what it said, hands it on."""
