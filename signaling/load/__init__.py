"""The load generator: many listeners and a few speakers against a server, and what they measure."""
