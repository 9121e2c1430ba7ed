"""Harnesses that throw mutated packets at the C core of the data plane, without Python, under sanitizers."""
