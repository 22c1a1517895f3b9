"""Chats are told; one module a service."""
