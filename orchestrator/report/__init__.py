"""What happened, for every reader; pure text."""
