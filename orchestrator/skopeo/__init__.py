"""The program that moves the bytes."""
