"""What runs in containers in a twin: base images made from Debian packages, and the lab's application."""

from twin.images.publish import baked_of, publish

__all__ = ["baked_of", "publish"]
