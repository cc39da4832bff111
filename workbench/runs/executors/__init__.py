"""Executors, one file each: where workers run."""
