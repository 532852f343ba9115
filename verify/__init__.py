"""JUDGE: what the declared environment must show, looked at from every vantage point."""
