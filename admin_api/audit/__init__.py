"""The auditor: what meters answered, what lies on disk and what the broker got, compared; seven invariants decided."""
