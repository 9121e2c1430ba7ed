"""Benchmarks: each native kernel beside its numpy oracle, and what a room costs."""
