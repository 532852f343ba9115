"""DECIDE: plan, lock, guard, secrets, trust, deploy."""
