"""The engine: a child process that plans and applies deploys, speaking JSON lines with its parent."""
