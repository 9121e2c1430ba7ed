"""What the store raises besides the errors of its database."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot do it; the message says the value, the limit and the remedy.

    `code`: store_url, store_folder, store_file, store_locked, store_newer, store_unreachable, store_closed
    for how it was set up; busy when too many wait for it; already_hosting, no_such_space, no_such_user,
    handle_taken and inconsistent for what was asked.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
