"""Our own pyinfra operations: each one plans by facts, changes only what differs, and names what it found."""
