"""The doors to the machine; knows nothing of images."""
