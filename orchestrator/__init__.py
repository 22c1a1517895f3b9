"""Docker Image Syncer: mirrors container images into registries you own.

Python plans the work, skopeo moves the bytes. The modules are floors: each
imports only from those below it (docs/architecture.md has the map).
"""

__version__ = "0.1.0"
