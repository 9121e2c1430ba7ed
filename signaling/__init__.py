"""The server around spacecore: protocol, rules, store, QUIC, media, sessions, client and command line."""
