"""Dedup: whether two statements say the same thing. It is seed 002."""
