"""Octets to an annotated tree, as a protocol analyser shows it: frames, headers, APDUs, values, and what they mean.

Goes in: octets of a line, of an APDU or of a value, and keys where there are any. Comes out: nodes. Nothing is raised,
whatever the octets: what cannot be read is a node that says why.
"""
