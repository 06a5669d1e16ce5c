"""Stages: five readings of a business in a row, each with a model of its own. It is seed 001."""
