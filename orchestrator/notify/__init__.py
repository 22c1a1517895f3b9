"""Chats are notified of a run; one module a service."""
