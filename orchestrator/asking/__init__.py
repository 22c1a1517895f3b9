"""Images asked for by an issue on GitHub: the event read as data, and the answer."""
