"""The review site in a real browser."""
