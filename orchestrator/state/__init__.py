"""What is kept between runs, and the lock."""
