"""A live audio engine: Opus, jitter buffer, mixer and rooms, with no server, network or event loop."""
