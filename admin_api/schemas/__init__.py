"""What API and command line take and answer, as pydantic models: one module per area, all of schemas.shape."""
