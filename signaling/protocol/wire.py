"""Bytes to messages and back: the only place that knows msgpack. Every bound is checked before use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import msgpack  # type: ignore[import-untyped]
import msgspec
from msgspec import Struct

from signaling.protocol import bounds
from signaling.protocol.codes import ErrorCode
from signaling.protocol.errors import ProtocolError
from signaling.protocol.faults import BUILTIN_TYPES, explain
from signaling.protocol.framing import MAX_MESSAGE_BYTES, frame
from signaling.protocol.messages import EVENT_TYPES, MAX_ROWS, REPLY_TYPES, REQUEST_TYPES, FromServer, Request

__all__ = ["QUEUE_ROWS_BYTES", "ROWS_BYTES", "decode_from_server", "decode_request", "encode", "fit_rows"]

# Room for rows in one message: a page alone, and a queue that stands beside a full stage in `joined`.
ROWS_BYTES: Final = 15_000
QUEUE_ROWS_BYTES: Final = 8_192

_ENCODER: Final = msgspec.msgpack.Encoder()

_Row = TypeVar("_Row", bound=Struct)


def _by_tag(kinds: Sequence[type[Struct]]) -> Mapping[int, type[Struct]]:
    return {cast(int, kind.__struct_config__.tag): kind for kind in kinds}


_REQUESTS: Final = _by_tag(REQUEST_TYPES)
_FROM_SERVER: Final = _by_tag((*REPLY_TYPES, *EVENT_TYPES))


def decode_request(body: bytes) -> Request:
    """One message body from a client. Raises ProtocolError, with the request's id wherever it can be read."""
    return cast(Request, _decode(body, _REQUESTS, bounds.MAX_VALUES))


def decode_from_server(body: bytes) -> FromServer:
    """One message body from a server. Raises ProtocolError; clients pass over an `unknown_message`."""
    return cast(FromServer, _decode(body, _FROM_SERVER, bounds.MAX_ANSWER_VALUES))


def encode(message: Request | FromServer) -> bytes:
    """A message with its length before it, ready for the stream.

    Raises ProtocolError: `too_large` over 16,384 bytes (send fewer rows, see `fit_rows`), `bad_value` for
    text that is not Unicode. The limits of fields are not checked: they are the receiver's to judge.
    """
    try:
        body = _ENCODER.encode(message)
    except UnicodeEncodeError as error:
        raise ProtocolError(ErrorCode.bad_value, f"text holds half a character: {error.reason}") from None
    return frame(body)


def fit_rows(
    rows: Sequence[_Row], room_bytes: int = ROWS_BYTES, *, beside: Sequence[Struct] = ()
) -> list[_Row]:
    """The first rows, at most 100, that together take at most `room_bytes` on the wire.

    `beside`: other rows of the same message; with them it is at most ROWS_BYTES. 100 long names pass 16,384
    bytes. What is left out comes on the next page, or is told by `waiting`.
    """
    room_bytes = min(room_bytes, ROWS_BYTES - sum(len(_ENCODER.encode(row)) for row in beside))
    fitting: list[_Row] = []
    for row in rows[:MAX_ROWS]:
        room_bytes -= len(_ENCODER.encode(row))
        if room_bytes < 0:
            break
        fitting.append(row)
    return fitting


def _decode(body: bytes, kinds: Mapping[int, type[Struct]], most_values: int) -> Struct:
    items = _unpack(body, most_values)
    tag = items[0]
    if type(tag) is not int:
        raise ProtocolError(
            ErrorCode.malformed, "a message begins with its number", bounds.request_id_of(body)
        )
    kind = kinds.get(tag)
    if kind is None:
        raise ProtocolError(
            ErrorCode.unknown_message, f"message {tag} is not known here", bounds.request_id_of(body)
        )
    try:
        return msgspec.convert(items, kind, builtin_types=BUILTIN_TYPES)
    except msgspec.ValidationError:
        raise ProtocolError(*explain(kind, items), bounds.request_id_of(body)) from None


def _unpack(body: bytes, most_values: int) -> list[Any]:
    if len(body) > MAX_MESSAGE_BYTES:
        raise ProtocolError(
            ErrorCode.too_large,
            f"message of {len(body)} bytes is over the limit of {MAX_MESSAGE_BYTES}",
            bounds.request_id_of(body),
        )
    try:
        bounds.check_bounds(body, most_values)
        items = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_unique_text_keys,
            max_str_len=bounds.MAX_STR_BYTES,
            max_bin_len=bounds.MAX_BIN_BYTES,
            max_array_len=bounds.MAX_ARRAY_ITEMS,
            max_map_len=bounds.MAX_MAP_ENTRIES,
            max_ext_len=bounds.MAX_EXT_BYTES,
        )
    except UnicodeDecodeError:
        raise ProtocolError(ErrorCode.malformed, "text is not UTF-8", bounds.request_id_of(body)) from None
    except (ValueError, msgpack.UnpackException) as error:
        raise ProtocolError(ErrorCode.malformed, str(error), bounds.request_id_of(body)) from None
    if not isinstance(items, list) or not items:
        raise ProtocolError(ErrorCode.malformed, "a message is an array that begins with its number")
    return items


def _unique_text_keys(pairs: list[tuple[object, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if type(key) is not str:
            raise ValueError("the keys of a map must be text")
        if key in found:
            raise ValueError("a map holds the same key twice")
        found[key] = value
    return found
