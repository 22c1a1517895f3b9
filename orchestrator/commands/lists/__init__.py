"""The commands between the list and the files of whoever runs the images."""
