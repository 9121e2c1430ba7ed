"""Stories told over a real loopback server, or an in-memory network in virtual time."""
