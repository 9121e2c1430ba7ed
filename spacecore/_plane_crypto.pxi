# Finding libcrypto; included in _plane.pyx.

CryptoLibrary = namedtuple("CryptoLibrary", "path version")
CryptoLibrary.__doc__ = """The libcrypto in use: the file as it was asked for, and what the library says of itself."""

cdef str ENVIRONMENT = "SPACECORE_LIBCRYPTO"
cdef object library = None      # CryptoLibrary, once loaded


def crypto_library():
    """The libcrypto that seals and opens packets, loaded when first asked for.

    That is the file named by SPACECORE_LIBCRYPTO, else the system's OpenSSL 3, which Python's own ssl module uses too.
    Raises PlaneError("no_libcrypto"), also if the file that was named cannot be used.
    """
    global library
    if library is not None:
        return library
    cdef bytes named = os.environ.get(ENVIRONMENT, "").encode()
    cdef const char* path = NULL
    if named:
        path = named
    if crypto_load(path) != PLANE_OK:
        remedy = f"correct or unset {ENVIRONMENT}" if named else f"install OpenSSL 3, or name the file in {ENVIRONMENT}"
        raise PlaneError("no_libcrypto", f"no usable libcrypto: {crypto_error().decode()}; {remedy}")
    library = CryptoLibrary(crypto_path().decode(), crypto_version().decode())
    return library
