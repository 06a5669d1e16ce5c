"""The pages, one module each: they read through the functions that the API reads through, and change nothing."""
