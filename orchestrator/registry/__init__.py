"""Reading registries, and asking them over HTTP."""
