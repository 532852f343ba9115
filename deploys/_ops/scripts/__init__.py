"""Programs that run on the hosts: standard library only, Python 3.10 and later, one JSON line out."""
