"""Asking registries over HTTP."""
