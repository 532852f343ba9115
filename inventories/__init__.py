"""DECLARE: one file an environment, data only."""
