# Socket addresses between Python's tuples and C, and checks of what a caller hands in; included in _plane.pyx.

cdef extern from "<arpa/inet.h>" nogil:
    enum:
        AF_INET
        AF_INET6
    int inet_pton(int family, const char* text, void* out)
    const char* inet_ntop(int family, const void* address, char* out, unsigned int size)
    unsigned short htons(unsigned short value)
    unsigned int htonl(unsigned int value)

cdef extern from *:
    """
    #define SIZEOF_SOCKADDR_IN sizeof(struct sockaddr_in)
    #define SIZEOF_SOCKADDR_IN6 sizeof(struct sockaddr_in6)
    """
    enum:
        SIZEOF_SOCKADDR_IN
        SIZEOF_SOCKADDR_IN6

cdef enum:
    ADDRESS_CHARS = 64


cdef int address_from(object address, address_t* out) except -1:
    """(host, port) or (host, port, flow info, scope id), host in digits, as sockets give it."""
    cdef bytes host
    cdef unsigned int port
    try:
        name, port, *more = address
        host = name.partition("%")[0].encode("ascii")
        if port > 65535:
            raise ValueError("a port is 0 to 65535")
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _bad_address(address) from error
    memset(out, 0, sizeof(address_t))
    if inet_pton(AF_INET, host, &out.at.v4.sin_addr) == 1:
        out.at.v4.sin_family = AF_INET
        out.at.v4.sin_port = htons(port)
        out.bytes = SIZEOF_SOCKADDR_IN
    elif inet_pton(AF_INET6, host, &out.at.v6.sin6_addr) == 1:
        out.at.v6.sin6_family = AF_INET6
        out.at.v6.sin6_port = htons(port)
        if len(more) == 2:
            flow_info, scope_id = more
            out.at.v6.sin6_flowinfo = htonl(flow_info)
            out.at.v6.sin6_scope_id = scope_id
        out.bytes = SIZEOF_SOCKADDR_IN6
    else:
        raise _bad_address(address)
    return 0


cdef tuple address_to(const address_t* address):
    cdef char text[ADDRESS_CHARS]
    if address.at.any.sa_family == AF_INET6:
        inet_ntop(AF_INET6, &address.at.v6.sin6_addr, text, ADDRESS_CHARS)
        return (
            (<bytes>text).decode(), htons(address.at.v6.sin6_port), htonl(address.at.v6.sin6_flowinfo),
            address.at.v6.sin6_scope_id)
    inet_ntop(AF_INET, &address.at.v4.sin_addr, text, ADDRESS_CHARS)
    return (<bytes>text).decode(), htons(address.at.v4.sin_port)


cdef object _bad_address(object address):
    return PlaneError("bad_address", f"{address!r} is no address; give (host in digits, port 0 to 65535)")


cdef int _check_cid(bytes cid) except -1:
    if len(cid) > PLANE_CID_BYTES:
        raise PlaneError("bad_cid", f"a connection id has 0 to {PLANE_CID_BYTES} bytes, not {len(cid)}")
    return 0


cdef int _check_key(int suite, bytes key, bytes iv, bytes hp) except -1:
    cdef int wanted = 16 if suite == 0 else 32
    if not 0 <= suite < <int>SUITES:
        raise PlaneError("bad_key", f"cipher suite {suite} is not known; 0 to {SUITES - 1} are")
    if len(key) != wanted or len(iv) != 12 or len(hp) != wanted:
        raise PlaneError(
            "bad_key",
            f"key, iv and header key of suite {suite} have {wanted}, 12 and {wanted} bytes, not {len(key)}, {len(iv)} and "
            f"{len(hp)}")
    return 0


cdef int _check(int status) except -1:
    if status != PLANE_OK:
        raise PlaneError("crypto_failed", f"{crypto_path().decode()} refused a key or has no memory left; free some")
    return 0
