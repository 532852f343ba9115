"""LOOK: probes return data and never assert; each can be used alone."""
