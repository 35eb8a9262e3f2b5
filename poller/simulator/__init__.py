"""Meters to try everything against: their own encoder, scripted damage. The poller never imports it."""
