"""What comes of results: signatures follow, what is gone is kept, all is remembered."""
