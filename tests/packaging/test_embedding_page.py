"""Every program of docs/embedding.md runs, in the page's order, and prints what the page says."""

from __future__ import annotations

import contextlib
import io

from tests.packaging.page import PAGE, ROOT, blocks

PROGRAMS = blocks("python")


def test_the_first_program_is_short_and_whole():
    lines = PROGRAMS[0].source.strip().splitlines()
    assert len(lines) < 15
    assert "time" not in PROGRAMS[0].source.replace("timestamp", "")


def test_every_program_prints_what_the_page_says():
    """One namespace for the page: later blocks go on from the first."""
    namespace: dict[str, object] = {"__name__": "page"}
    assert len(PROGRAMS) >= 7
    for program in PROGRAMS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = compile("\n" * (program.line - 1) + program.source, str(PAGE), "exec")
            exec(code, namespace)  # noqa: S102
        assert program.output is not None, f"line {program.line}: the page does not show what this prints"
        assert printed.getvalue() == program.output, f"line {program.line}"


def test_the_page_shows_the_module_that_is_compiled():
    shown = [block.source for block in blocks("cython")]
    assert shown == [(ROOT / "tests" / "packaging" / "outside" / "outside_room.pyx").read_text("utf-8")]
