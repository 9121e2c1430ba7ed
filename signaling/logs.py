"""Logs: how the lines of all modules are written: JSON or text, few of a flood, and no secret among them."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from signaling.config import LogConfig
from signaling.context import CONNECTION, SPACE

__all__ = ["EXCEPTION_CHARS", "HIDDEN", "TEXT_CHARS", "Sampling", "configure"]

TEXT_CHARS: Final = 2_000
"""A longer text is cut."""
EXCEPTION_CHARS: Final = 16_000
"""Of a traceback the end is kept, which says what happened."""
HIDDEN: Final = "[hidden]"

_SECRET_NAMES: Final = re.compile(
    r"token|secret|password|passwd|authorization|cookie|credential|signature|stripe_key|signing_key|pcm|audio",
    re.IGNORECASE,
)
# A JWT, an authorization header, Stripe's keys, a PEM key, the password of a URL: what a careless line could
# hold.
_SECRETS: Final = re.compile(
    r"eyJ[\w-]{4,}\.[\w-]+\.[\w-]*"
    r"|(?<=bearer )[\w.~+/-]{8,}=*"
    r"|\b(?:sk|rk)_(?:test|live)_\w+|\bwhsec_[\w+/=-]+"
    r"|(?<=speak=)[0-9a-f]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.|\n)*?(?:-----END [A-Z ]*-----|\Z)"
    r"|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)",
    re.IGNORECASE,
)
_SECOND_S: Final = 1.0
_OURS: Final = "signaling"


def configure(config: LogConfig, stream: TextIO | None = None) -> None:
    """Write what all loggers of this process say to `stream` (standard error). Call it once, at the start.

    `log.level` is that of our own modules; of libraries only warnings are written, because some of them tell
    what they were given.
    """
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(config, is_terminal=out.isatty()))
    handler.addFilter(Sampling(config.burst))
    handler.addFilter(_measured)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(_OURS).setLevel(config.level.upper())


class Sampling(logging.Filter):
    """Of lines from one place in the code `burst` a second; the next one says how many were `left_out`."""

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._burst = burst
        self._clock = clock
        # Only as many as there are places that log: (when the second began, written, left out).
        self._places: dict[tuple[str, int], tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        now_s, place = self._clock(), (record.pathname, record.lineno)
        began_s, written, left_out = self._places.get(place, (now_s, 0, 0))
        if now_s - began_s >= _SECOND_S:
            began_s, written = now_s, 0
        if written >= self._burst:
            self._places[place] = (began_s, written, left_out + 1)
            return False
        self._places[place] = (began_s, written + 1, 0)
        if left_out:
            record.left_out = left_out
        return True


def _measured(record: logging.LogRecord) -> bool:
    """Of bytes only the length is told: they may be audio, a key, or a message."""
    if isinstance(record.args, tuple):
        record.args = tuple(_shown(each) for each in record.args)
    elif isinstance(record.args, Mapping):
        record.args = {name: _shown(each, name) for name, each in record.args.items()}
    return True


def _formatter(config: LogConfig, *, is_terminal: bool) -> structlog.stdlib.ProcessorFormatter:
    render: Processor
    if config.format == "json":
        render = structlog.processors.JSONRenderer(default=lambda value: f"<{type(value).__name__}>")
    else:
        # Its usual tracebacks show local variables, and so what was in them.
        render = structlog.dev.ConsoleRenderer(
            colors=is_terminal, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _whose,
            structlog.processors.format_exc_info,
            _without_secrets,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )


def _whose(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    connection, space = CONNECTION.get(), SPACE.get()
    if connection is not None:
        event["connection"] = connection
    if space is not None:
        event["space"] = space.hex()
    return event


def _without_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return {name: value if name[0] == "_" else _shown(value, name) for name, value in event.items()}


def _shown(value: Any, name: str = "") -> Any:
    """A value as it may be written; under the name of a secret none is."""
    if _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {key: _shown(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return _clean(value, name) if isinstance(value, str) else value


def _clean(value: str, name: str) -> str:
    text = _SECRETS.sub(HIDDEN, value)
    if name == "exception":
        return text if len(text) <= EXCEPTION_CHARS else f"… {text[-EXCEPTION_CHARS:]}"
    return text if len(text) <= TEXT_CHARS else f"{text[:TEXT_CHARS]} …"
