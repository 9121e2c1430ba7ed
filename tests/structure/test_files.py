"""The shape of the source: a first line that says what for, short files and functions, no leftovers."""

from __future__ import annotations

import re

import pytest

from tests.structure.source import NATIVE, PACKAGES, Function, code_lines, files, functions, shown

EVERYWHERE = (*PACKAGES, "bench", "tests")
FILE_LINES = 400
FUNCTION_LINES = 60
KERNEL_LINES = 80  # a Cython function, whose declarations take room
FROZEN = "migrations/versions"  # a migration is one list of tables, and is never changed again
BAD_NAMES = re.compile(r"(^|_)(utils?|manager|helpers?|process|misc|common)(_|$)")
LEFTOVER = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")))


def lines(path):
    return path.read_text("utf-8").splitlines()


def long_functions() -> list[Function]:
    return [
        function
        for path in files(*PACKAGES, "bench")
        if FROZEN not in path.as_posix()
        for function in functions(path)
        if function.n_lines > (KERNEL_LINES if path.suffix in NATIVE else FUNCTION_LINES)
    ]


def test_the_first_line_says_what_a_file_is_for():
    """A docstring or a comment of at least three words, in an __init__.py too."""
    bad = []
    for path in files(*EVERYWHERE):
        first = next(iter(lines(path)), "")
        if not re.match(r'^(r?"""|# |/\* )\S', first) or len(first.split()) < 3:
            bad.append(f"{shown(path)}: {first!r}")
    assert bad == []


def test_no_file_is_long():
    sizes = {shown(path): len(lines(path)) for path in files(*PACKAGES)}
    assert {path: size for path, size in sizes.items() if size > FILE_LINES} == {}


def test_no_function_is_long():
    assert [str(function) for function in long_functions()] == []


def test_nothing_is_left_for_later():
    """Also not as a skipped or expected-to-fail test."""
    later = re.compile(
        LEFTOVER.pattern + r"|\bpytest\.(skip|xfail|importorskip)|pytest\.mark\.(skip|skipif|xfail)"
    )
    bad = [
        f"{shown(path)}:{number} {line.strip()}"
        for path in files(*EVERYWHERE)
        if path.name not in ("test_files.py", "conftest.py")
        for number, line in enumerate(lines(path), 1)
        if later.search(line)
    ]
    assert bad == []


def test_names_of_files_mean_something():
    assert [shown(path) for path in files(*PACKAGES) if BAD_NAMES.search(path.stem)] == []


def test_input_is_not_checked_by_assert():
    bad = [
        f"{shown(path)}:{number}"
        for path in files(*PACKAGES)
        for number, line in enumerate(code_lines(path), 1)
        if re.match(r"\s*assert\b", line)
    ]
    assert bad == []


def test_every_release_of_the_interpreter_says_why():
    """`with nogil` has a comment on its line, or alone on the line before or after it."""
    bad = []
    for path in files(*PACKAGES, "bench", suffixes=NATIVE):
        code = code_lines(path)
        for number, line in enumerate(code):
            if not re.match(r"\s*with\s+nogil\b", line):
                continue
            beside = [code[number - 1].lstrip(), code[number + 1].lstrip() if number + 1 < len(code) else ""]
            if "#" not in line and not any(text.startswith("#") for text in beside):
                bad.append(f"{shown(path)}:{number + 1}")
    assert bad == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cdef int f(int a,\n           int b) noexcept nogil:\n    a = 1\n\n    return a\n\nx = 1\n",
            [("f", 5)],
        ),
        ("cdef int f(int a) noexcept nogil\ncdef enum:\n    A = 1\n", []),
        (
            'def g(self):\n    """Doc\nflush left\n    """\n    return 1\ndef h(): \n    pass\n',
            [("g", 5), ("h", 2)],
        ),
        (
            "cdef class A:\n    def m(self):\n        return 1\n\n    @property\n"
            "    def p(self):\n        return 2\n",
            [("m", 2), ("p", 2)],
        ),
    ],
)
def test_the_reader_measures_functions(tmp_path, text, expected):
    path = tmp_path / "unit.pyx"
    path.write_text(text)
    assert [(function.name, function.n_lines) for function in functions(path)] == expected


def test_the_reader_measures_functions_of_c(tmp_path):
    text = (
        "int f(int a);\nstatic int g(int a) { return a; }\nint h(int a,\n      int b) {\n    return a;\n}\n"
        "enum { A = 1,\n};\nvoid k(void) {\n    h(1, 2);\n}\n"
    )
    (tmp_path / "a.c").write_text(text)
    found = [(function.name, function.n_lines) for function in functions(tmp_path / "a.c")]
    assert found == [("h", 4), ("k", 3)]
