"""Items of the review queues as pages show them, and decisions as forms write them.

What is one kind's own is here too: statements side by side, snapshots, stages' rows; ``more.py`` says who gets what.
"""
