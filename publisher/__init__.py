"""One process: readings from the bus, to disk, to the MQTT broker."""
