"""The commands of ``tuneyard``: one module for each group, all of them clients of the HTTP API."""
