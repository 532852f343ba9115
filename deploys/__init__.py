"""APPLY: one file a service; `site.py` gives the order."""
