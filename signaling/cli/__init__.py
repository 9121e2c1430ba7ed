"""The `spaces` command: serve, demo, live, host, join, token, doctor."""
