"""What aioquic is told about each side: TLS, the protocol's name, windows and timeouts."""

from __future__ import annotations

import ssl

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import pull_quic_transport_parameters, push_quic_transport_parameters
from aioquic.tls import CipherSuite

from signaling.quic.certificate import ServerCertificate, Trust
from signaling.quic.congestion import RENO
from signaling.quic.limits import LinkLimits

__all__ = [
    "ALPN",
    "ack_delay_exponent",
    "client_configuration",
    "promise_ack_delay",
    "server_configuration",
]

ALPN = "spaces/1"

# Each packet is sealed by itself, so the cheapest comes first; a server chooses by its own order.
_CIPHER_SUITES = (
    CipherSuite.AES_128_GCM_SHA256,
    CipherSuite.AES_256_GCM_SHA384,
    CipherSuite.CHACHA20_POLY1305_SHA256,
)

# As RFC 9221 section 3 recommends: any datagram that fits in a packet. The size that matters is what the
# protocol's parser accepts; one that is too long is dropped and counted there, the connection lives on.
_DATAGRAM_FRAME_BYTES = 65535

_PARAMETERS_BYTES = 4096  # room for transport parameters, which are about 150 bytes
_ACK_DELAY_EXPONENT = 3  # where a peer names none, RFC 9000 section 18.2


def server_configuration(
    certificate: ServerCertificate, limits: LinkLimits, alpn: str = ALPN
) -> QuicConfiguration:
    """One configuration for all connections of a server."""
    configuration = _common(limits, alpn, is_client=False)
    configuration.certificate = certificate.certificate
    configuration.certificate_chain = list(certificate.chain)
    configuration.private_key = certificate.private_key
    return configuration


def client_configuration(
    server_name: str, trust: Trust, limits: LinkLimits, alpn: str = ALPN
) -> QuicConfiguration:
    """The configuration of one client connection.

    With a pin TLS verifies nothing but that the server holds the key of the certificate it shows; the owner
    must call `certificate.check_peer` before it sends a byte.
    """
    configuration = _common(limits, alpn, is_client=True)
    configuration.server_name = server_name
    if trust.pin is not None:
        configuration.verify_mode = ssl.CERT_NONE
    else:
        configuration.verify_mode = ssl.CERT_REQUIRED
        if trust.cafile is not None:
            configuration.load_verify_locations(cafile=str(trust.cafile))
    return configuration


def promise_ack_delay(parameters: bytes, promised_ms: int) -> bytes:
    """Transport parameters that say how long we may delay an ACK, RFC 9000 section 18.2. Without: 25 ms."""
    read = pull_quic_transport_parameters(Buffer(data=parameters))
    read.max_ack_delay = promised_ms
    buffer = Buffer(capacity=_PARAMETERS_BYTES)
    push_quic_transport_parameters(buffer, read)
    return bytes(buffer.data)


def ack_delay_exponent(parameters: bytes) -> int:
    """The power of two by which a peer's ACK delays are to be multiplied to get microseconds."""
    exponent = pull_quic_transport_parameters(Buffer(data=parameters)).ack_delay_exponent
    return _ACK_DELAY_EXPONENT if exponent is None else int(exponent)


def _common(limits: LinkLimits, alpn: str, *, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=[alpn],
        is_client=is_client,
        idle_timeout=limits.idle_timeout_s,
        max_data=limits.max_data_bytes,
        max_stream_data=limits.max_stream_data_bytes,
        max_datagram_size=limits.max_packet_bytes,
        max_datagram_frame_size=_DATAGRAM_FRAME_BYTES,
        congestion_control_algorithm=RENO,
        cipher_suites=list(_CIPHER_SUITES),
    )
