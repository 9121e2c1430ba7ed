"""The types of the fields of messages, with the limits that are checked when a message is decoded."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

# One line of text that is shown to people. Refused are control characters, line and paragraph separators, and
# what marks or changes the direction of writing (UAX #9): with those one name can pass for another. In a
# body, the text of posts, notes and pins, lines may end. What has to be visible begins with blanks and then
# something else: no two parts of a pattern match the same character, so a text costs no more than its length.
_SIGNS = r"\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_UNSAFE = rf"\x00-\x1f{_SIGNS}"
_UNSAFE_IN_BODY = rf"\x00-\x09\x0b-\x1f{_SIGNS}"
LINE_PATTERN: Final = rf"\A[^{_UNSAFE}]*\Z"
VISIBLE_LINE_PATTERN: Final = rf"\A[^\S{_UNSAFE}]*[^\s{_UNSAFE}][^{_UNSAFE}]*\Z"
BODY_PATTERN: Final = rf"\A[^{_UNSAFE_IN_BODY}]*\Z"
VISIBLE_BODY_PATTERN: Final = rf"\A[^\S{_UNSAFE_IN_BODY}]*[^\s{_UNSAFE_IN_BODY}][^{_UNSAFE_IN_BODY}]*\Z"

PIN_CHARS: Final = 280  # shorter than a post: a full stage and every pin stand together in one `joined`

U8 = Annotated[int, Meta(ge=0, le=0xFF)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
DurationMs = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF_FFFF)]
EpochMs = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF_FFFF)]  # milliseconds since 1970-01-01 00:00 UTC
# Choices that a request makes; what they mean stands at the field. In answers they are U8 and may grow.
OneOfTwo = Annotated[int, Meta(ge=0, le=1)]
OneOfThree = Annotated[int, Meta(ge=0, le=2)]
RequestId = Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)]
PageSize = Annotated[int, Meta(ge=1, le=100)]
SpaceId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Cursor = Annotated[bytes, Meta(min_length=1, max_length=64)]
Token = Annotated[str, Meta(max_length=4096)]
Title = Annotated[str, Meta(min_length=1, max_length=100, pattern=VISIBLE_LINE_PATTERN)]
Name = Annotated[str, Meta(max_length=50, pattern=LINE_PATTERN)]
Software = Annotated[str, Meta(max_length=64, pattern=LINE_PATTERN)]
User = Annotated[str, Meta(min_length=1, max_length=64, pattern=LINE_PATTERN)]
UserOrNone = Annotated[str, Meta(max_length=64, pattern=LINE_PATTERN)]
Reason = Annotated[str, Meta(max_length=100, pattern=LINE_PATTERN)]
Line = Annotated[str, Meta(max_length=200, pattern=LINE_PATTERN)]
Topic = Annotated[str, Meta(min_length=1, max_length=30, pattern=VISIBLE_LINE_PATTERN)]
Seats = Annotated[list[U8], Meta(max_length=32)]
Topics = Annotated[list[Topic], Meta(max_length=3)]
Kind = Annotated[str, Meta(max_length=16, pattern=LINE_PATTERN)]
Handle = Annotated[str, Meta(max_length=64, pattern=LINE_PATTERN)]
Query = Annotated[str, Meta(max_length=100, pattern=LINE_PATTERN)]
Body = Annotated[str, Meta(min_length=1, max_length=500, pattern=VISIBLE_BODY_PATTERN)]
BodyOrNone = Annotated[str, Meta(max_length=500, pattern=BODY_PATTERN)]
PinText = Annotated[str, Meta(min_length=1, max_length=PIN_CHARS, pattern=VISIBLE_BODY_PATTERN)]
Secret = Annotated[bytes, Meta(max_length=16)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Reaction = Annotated[str, Meta(min_length=1, max_length=16, pattern=LINE_PATTERN)]
Link = Annotated[str, Meta(max_length=400, pattern=LINE_PATTERN)]
Explanation = Annotated[str, Meta(max_length=1000)]
Url = Annotated[str, Meta(max_length=2048, pattern=LINE_PATTERN)]
SaleId = Annotated[bytes, Meta(min_length=16, max_length=16)]  # of a hold, a ticket, a refund or a payout
Key = Annotated[bytes, Meta(min_length=16, max_length=16)]  # the client's: the same request, sent again
AmountMinor = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF_FFFF)]
BalanceMinor = Annotated[int, Meta(ge=-0xFFFF_FFFF_FFFF, le=0xFFFF_FFFF_FFFF)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, pattern=LINE_PATTERN)]  # ISO 4217
CurrencyOrNone = Annotated[str, Meta(max_length=3, pattern=LINE_PATTERN)]
Exponent = Annotated[int, Meta(ge=0, le=4)]  # decimal digits of a currency's minor unit
PaymentMethod = Annotated[str, Meta(min_length=1, max_length=255, pattern=VISIBLE_LINE_PATTERN)]
Address = Annotated[str, Meta(min_length=1, max_length=255, pattern=LINE_PATTERN)]
Figures = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=32)], U32], Meta(max_length=32)]
