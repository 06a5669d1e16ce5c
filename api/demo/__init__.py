"""``make demo``: the whole loop on the embedded stack, through the public API, in one go."""
