"""Tests of the pipeline images."""
