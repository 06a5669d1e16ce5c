"""Benchmarks: ratios of the product to the bare path under it, measured interleaved in one run (``make bench``)."""
