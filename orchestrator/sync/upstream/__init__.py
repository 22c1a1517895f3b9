"""Sources: where they are read first, and what that costs."""
