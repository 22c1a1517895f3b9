"""What may be typed, and what was typed as a value; imports only the version."""
