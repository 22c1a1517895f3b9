"""A run: plan and copies carried out, many at once."""
