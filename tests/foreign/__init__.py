"""A client of `spaces/1` that was written from docs/protocol.md alone and shares no code with the project."""
