"""REHEARSE: an environment as real Debian hosts in network namespaces on one machine."""
