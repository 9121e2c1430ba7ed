"""Reads the project's source for the structure tests: its files, their imports, their functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("spacecore", "signaling")
COMPUTED = "a computed name"
NATIVE = (".pyx", ".pxd", ".pxi")
C = (".c", ".h")

_CYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+(\.*[\w.]*)\s+c?import\s+(.*)|c?import\s+([\w.,\s]+?))\s*(?:#.*)?$"
)
_CYTHON_FUNCTION = re.compile(
    r"^(\s*)(?:async\s+)?(?:cpdef|cdef(?!\s+class\b)|def)\s[^=]*?([A-Za-z_]\w*)\s*\("
)
_C_FUNCTION = re.compile(r"^[A-Za-z_][^;={]*?\b(\w+)\([^;]*(?:\{|,)$")
_STRINGS = re.compile(r'"""(?:.|\n)*?"""|\'\'\'(?:.|\n)*?\'\'\'')


@dataclass(frozen=True)
class Import:
    """`module` as the importer would name it absolutely, on `line` of `path`."""

    path: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.line} imports {self.module}"


@dataclass(frozen=True)
class Function:
    path: Path
    line: int
    name: str
    n_lines: int

    def __str__(self) -> str:
        return f"{shown(self.path)}:{self.line} {self.name} has {self.n_lines} lines"


def shown(path: Path) -> str:
    """The path as a person in the repository would write it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def files(*folders: str, suffixes: tuple[str, ...] = (".py", ".pyi", *NATIVE, *C)) -> list[Path]:
    """Source files below `folders`, generated ones and caches left out."""
    found = (path for folder in folders for path in sorted((ROOT / folder).rglob("*")))
    return [path for path in found if path.suffix in suffixes and "__pycache__" not in path.parts]


def module_name(path: Path) -> str:
    """The dotted name of a file: signaling/rules/__init__.py is signaling.rules."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> list[Import]:
    """All modules that a file imports or cimports, also inside functions and under TYPE_CHECKING.

    `from a import b` counts as a and as a.b, because b may be a module.
    """
    if path.suffix in C:
        return []
    read = _cython_imports if path.suffix in NATIVE else _python_imports
    return [Import(path, line, module) for line, module in read(path)]


def _package(path: Path, level: int) -> str:
    """The package that `level` leading dots mean in this file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[: len(parts) - level])


def _python_imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            package = _package(path, node.level) if node.level else ""
            module = ".".join(part for part in (package, node.module) if part)
            yield node.lineno, module
            for name in node.names:
                yield node.lineno, f"{module}.{name.name}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "import_module",
            "importlib.import_module",
            "__import__",
        ):
            yield node.lineno, _named_by_call(node)


def _named_by_call(node: ast.Call) -> str:
    """What `import_module(…)` names: its string, the beginning of its f-string, or nobody knows."""
    target = node.args[0] if node.args else None
    if isinstance(target, ast.JoinedStr):
        target = target.values[0]
    return str(target.value).rstrip(".") if isinstance(target, ast.Constant) else COMPUTED


def _cython_imports(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(code_lines(path), 1):
        match = _CYTHON_IMPORT.match(line)
        if match is None:
            continue
        source, names, plain = match.groups()
        if plain:
            for name in plain.split(","):
                yield number, name.split()[0]
            continue
        level = len(source) - len(source.lstrip("."))
        package = _package(path, level) if level else ""
        module = ".".join(part for part in (package, source.lstrip(".")) if part)
        yield number, module
        for name in names.strip("() \\").split(","):
            if name.strip():
                yield number, f"{module}.{name.split()[0]}"


def code_lines(path: Path) -> list[str]:
    """The lines of a Cython file, with triple-quoted strings blanked so that prose is not read as code."""
    text = path.read_text("utf-8")
    return _STRINGS.sub(lambda match: "\n" * match.group().count("\n"), text).splitlines()


def functions(path: Path) -> list[Function]:
    """Every function of a file with its length, from its first line (decorators left out) to its last."""
    if path.suffix in C:
        return list(_c_functions(path))
    if path.suffix not in NATIVE:
        tree = ast.parse(path.read_text("utf-8"))
        found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return [
            Function(path, node.lineno, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
            for node in found
        ]
    return list(_cython_functions(path))


def _c_functions(path: Path) -> Iterator[Function]:
    """By indentation: from a line at the margin that ends with `) {` to the next `}` at the margin."""
    begin = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        match = _C_FUNCTION.match(line)
        if match is not None:
            begin = (number, match.group(1))
        elif line == "}" and begin is not None:
            yield Function(path, begin[0], begin[1], number - begin[0] + 1)
            begin = None


def _cython_functions(path: Path) -> Iterator[Function]:
    """By indentation: a function ends before the next line that stands as far left as its first."""
    lines = path.read_text("utf-8").splitlines()
    bare = code_lines(path)
    for first, line in enumerate(bare):
        match = _CYTHON_FUNCTION.match(line)
        if match is None:
            continue
        start = _end_of_signature(bare, first)
        if start is None:
            continue
        last = start
        for number in range(start + 1, len(lines)):
            text = lines[number]
            if (
                text.strip()
                and len(text) - len(text.lstrip()) <= len(match.group(1))
                and not _in_string(bare, lines, number)
            ):
                break
            if text.strip():
                last = number
        yield Function(path, first + 1, match.group(2), last - first + 1)


def _end_of_signature(lines: list[str], first: int) -> int | None:
    """The line whose `:` opens the body, or None for a declaration without one."""
    depth = 0
    for number in range(first, len(lines)):
        text = lines[number].split("#")[0]
        depth += text.count("(") - text.count(")")
        if depth == 0:
            return number if text.rstrip().endswith(":") else None
    return None


def _in_string(bare: list[str], lines: list[str], number: int) -> bool:
    """Whether a line belongs to a triple-quoted string, whose indentation says nothing."""
    return bool(lines[number].strip()) and number < len(bare) and not bare[number].strip()
