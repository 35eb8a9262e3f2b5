"""COSEM objects, typed (IEC 62056-6-2): generators over a conversation in, frozen values out; pure."""
