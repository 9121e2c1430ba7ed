"""Tests of the house itself: who may import whom, stubs, exports, lint, size of files."""
