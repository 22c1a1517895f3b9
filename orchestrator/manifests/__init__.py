"""Files that name images (compose, Kubernetes, Dockerfile): read, and written with the mirror's."""
