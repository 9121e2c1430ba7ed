"""QUIC for server and client: the only package that imports aioquic.

Link (one connection, no I/O) → Driver (links on a loop) → Listener for servers, connect() for clients. Gate
decides who may begin a handshake; certificate makes, loads and pins. A link's packets are made by its
carrier: by aioquic alone, or natively where they hold nothing but audio; bridge is where the two share a
connection, and the one module that names what is inside aioquic.
"""
