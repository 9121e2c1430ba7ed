"""An address of its own for everyone: a connected socket, on a port or a loopback address nobody else has."""

from __future__ import annotations

import errno
import ipaddress
import resource
import socket
from typing import Final

from signaling.load.errors import LoadError
from signaling.quic.limits import Address

__all__ = ["SPARE_FILES", "connected_socket", "loopback_address", "make_room_for", "resolve"]

SPARE_FILES: Final = 64
"""Files that the process needs beside its sockets."""

_LOOPBACK_OF_A_WORKER: Final = 65_536


def resolve(host: str, port: int) -> tuple[int, Address]:
    """The family and the first address of a server. LoadError(bad_address)."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise LoadError(
            "bad_address", f"{host} cannot be resolved: {error.strerror}; check --server"
        ) from error
    return family, address


def loopback_address(worker: int, number: int) -> str:
    """127.x.y.z, different for each number below 65,000 of each worker below 64."""
    return str(ipaddress.IPv4Address(0x7F01_0000 + worker * _LOOPBACK_OF_A_WORKER + 1 + number))


def make_room_for(sockets: int) -> None:
    """Raise the limit of open files to what so many sockets need. LoadError(too_few_files)."""
    needed = sockets + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    most = needed if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        raise LoadError(
            "too_few_files",
            f"{sockets} sockets need {needed} open files and this process may have {most}; raise the limit "
            f"(ulimit -Hn {needed}) or spread the load over more processes (--processes "
            f"{-(-needed // max(1, most - SPARE_FILES))})",
        )


def connected_socket(family: int, remote: Address, local: str | None) -> socket.socket:
    """A non-blocking socket to the server, from an address of this machine if one is named.

    LoadError: too_few_files, too_few_ports, network_error.
    """
    try:
        made = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise LoadError("network_error", f"no socket can be made: {error.strerror}") from error
        raise LoadError(
            "too_few_files", "no more files can be opened; raise the limit:  ulimit -n 65536"
        ) from error
    try:
        made.setblocking(False)
        if local is not None:
            made.bind((local, 0))
        made.connect(remote)
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EAGAIN):
            remedy = (
                "this system has no such loopback address; leave --addresses out"
                if local is not None
                else "all ports are taken; with a server on this machine give --addresses loopback"
            )
            raise LoadError(
                "too_few_ports", f"no address for another listener: {error.strerror}; {remedy}"
            ) from error
        raise LoadError(
            "network_error", f"cannot reach {remote[0]} port {remote[1]}: {error.strerror}; check --server"
        ) from error
    return made
