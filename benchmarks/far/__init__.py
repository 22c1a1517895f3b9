"""Registries that are far away: TLS, tokens, and a line whose bytes take their time."""
