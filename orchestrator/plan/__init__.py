"""What is to be done with each image, and why; nothing is written."""
