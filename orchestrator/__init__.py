"""Docker Image Syncer: mirrors container images into registries you own.

Python plans the work, skopeo moves the bytes. Each folder imports only from
those in rows below it (docs/architecture.md has the map).
"""

__version__ = "0.1.0"
