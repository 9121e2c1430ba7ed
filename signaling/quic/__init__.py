"""QUIC for server and client: the only package that imports aioquic.

Link (one connection, no I/O) → Driver (links on a loop) → Listener for servers, connect() for clients. Gate
decides who may begin a handshake; certificate makes, loads and pins; private names what is used of aioquic's
inside.
"""
