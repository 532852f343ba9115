"""What runs in containers in a twin: base images made from Debian packages, and the lab's application."""

from twin.images.publish import publish

__all__ = ["publish"]
