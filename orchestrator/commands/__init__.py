"""One module a command; here everything is put together."""
