"""MEASURE: how long the product takes, against goals and against the least that is possible."""
