"""Tests of what is shipped: the wheel in a clean environment, and the page that embedders start from."""
