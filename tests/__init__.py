"""The tests; a package so that its virtual network can be imported by name."""
