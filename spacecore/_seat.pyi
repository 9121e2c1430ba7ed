"""Types of spacecore._seat: it has no Python names, only the C ones in its .pxd."""

__all__: list[str] = []
