"""What runs on a host, once a session, as root: it looks at everything and changes nothing.

Standard library only (Python 3.10), sent over SSH on stdin and never stored on the host. No password hash,
private key or secret value is read into the answer.
"""
