"""Facts: each one cheap script, run once a host, that looks and changes nothing."""
