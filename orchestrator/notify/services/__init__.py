"""One module a chat service: the message it takes, and what its answer means."""
