"""DLMS/COSEM (IEC 62056): bytes in, values out. No I/O, no clock, no log."""
