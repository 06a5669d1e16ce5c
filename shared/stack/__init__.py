"""The embedded stack: real servers from wheels, every process of Tuneyard, and a supervisor that keeps them alive."""
