"""A server and people who come, go and change their ways for a long time; nothing may drift."""
