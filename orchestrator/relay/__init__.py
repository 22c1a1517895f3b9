"""A registry on loopback before a target: skopeo pushes to it, and it pushes on in few trips."""
