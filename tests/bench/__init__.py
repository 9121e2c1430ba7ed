"""Tests of what the benchmarks are made of; none of them measures."""
