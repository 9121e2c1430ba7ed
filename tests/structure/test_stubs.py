"""Each native unit is a triple .pyx, .pxd, .pyi, and the stub says what the built module has."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.structure.source import PACKAGES, ROOT, code_lines, module_name

UNITS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("_*.pyx"))
BARE = inspect.Parameter.empty


@dataclass
class Parameters:
    """A call's parameters: positional ones in order, the rest by name; each with whether it has a default."""

    positional: list[tuple[str, bool]] = field(default_factory=list)
    named: dict[str, bool] = field(default_factory=dict)
    any_name: bool = False  # takes **fields

    def accepts(self, other: Parameters) -> bool:
        """Whether a call that `other` allows is one that this allows."""
        if self.any_name:
            return self.positional == other.positional and self.named.items() <= other.named.items()
        return self == other


def unit_name(path: Path) -> str:
    return path.stem


def stub_of(unit: Path) -> ast.Module:
    return ast.parse(unit.with_suffix(".pyi").read_text("utf-8"))


def parameters_in_stub(node: ast.FunctionDef) -> Parameters:
    arguments = node.args
    positional = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    n_bare = len(positional) - len(arguments.defaults)
    found = Parameters([(name, i >= n_bare) for i, name in enumerate(positional)])
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.named[each.arg] = default is not None
    found.any_name = arguments.kwarg is not None
    return found


def parameters_at_run_time(thing: object) -> Parameters:
    found = Parameters()
    for each in inspect.signature(thing).parameters.values():
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
            found.positional.append((each.name, each.default is not BARE))
        elif each.kind is each.KEYWORD_ONLY:
            found.named[each.name] = each.default is not BARE
        elif each.kind is each.VAR_KEYWORD:
            found.any_name = True
    return found


def parameters_of_constructor(unit: Path, name: str) -> Parameters | None:
    """Of `__cinit__` or `__init__` in the source: a built extension type does not tell."""
    text = "\n".join(code_lines(unit))
    body = re.search(rf"^cdef class {name}\b.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    if body is None:
        return None
    call = re.search(r"def __c?init__\(self,?\s*(.*?)\):\s*$", body.group(), re.MULTILINE | re.DOTALL)
    found = Parameters([("self", False)])
    star = False
    for part in call.group(1).split(",") if call is not None else ():
        declared, _, default = part.partition("=")
        words = declared.split()
        if words == ["*"]:
            star = True
        elif words and star:
            found.named[words[-1]] = bool(default)
        elif words:
            found.positional.append((words[-1], bool(default)))
    return found


def fields_of(node: ast.ClassDef) -> list[str]:
    """Annotated names in a class body: a record's fields, in order."""
    return [each.target.id for each in node.body if isinstance(each, ast.AnnAssign)]


def methods_of(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    """Methods and properties; of a property with a setter, the setter."""
    return {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}


def members_of(node: ast.ClassDef) -> set[str]:
    """All that a class of a stub declares but its constructor, which is compared by its parameters."""
    values = {each.targets[0].id for each in node.body if isinstance(each, ast.Assign)}
    return (values | set(fields_of(node)) | set(methods_of(node))) - {"__init__"}


def is_property(node: ast.FunctionDef) -> bool:
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return any(mark == "property" or mark.endswith(".setter") for mark in marks)


def class_differences(unit: Path, node: ast.ClassDef, cls: type) -> list[str]:
    if issubclass(cls, tuple):
        fields = list(cls._fields)
        return (
            []
            if fields == fields_of(node)
            else [f"{node.name}: built {fields}, the stub has {fields_of(node)}"]
        )
    declared = members_of(node)
    public = {name for name in declared if not name.startswith("_")}
    built = {name for name in vars(cls) if not name.startswith("_")}
    differences = [f"{node.name}.{name}: in one of both only" for name in sorted(public ^ built)]
    differences += [
        f"{node.name}.{name}: not built" for name in sorted(declared - public) if not hasattr(cls, name)
    ]
    for name, method in methods_of(node).items():
        member = vars(cls).get(name)
        if name.startswith("_") or member is None:
            continue
        if is_property(method) is callable(member):
            differences.append(f"{node.name}.{name}: a property in one of both only")
        elif callable(member):
            differences += call_differences(f"{node.name}.{name}", member, method)
    constructor, declared_init = parameters_of_constructor(unit, node.name), methods_of(node).get("__init__")
    if constructor is not None and declared_init is not None:
        declares = parameters_in_stub(declared_init)
        if not constructor.accepts(declares):
            differences.append(f"{node.name}(): built {constructor}, the stub has {declares}")
    return differences


def call_differences(name: str, thing: object, node: ast.FunctionDef) -> list[str]:
    built, declared = parameters_at_run_time(thing), parameters_in_stub(node)
    return [] if built.accepts(declared) else [f"{name}(): built {built}, the stub has {declared}"]


def declared_names(stub: ast.Module) -> set[str]:
    """Public names of a stub: definitions, annotated constants, and `import x as x`."""
    names = set()
    for node in stub.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom):
            names |= {each.name for each in node.names if each.asname == each.name}
    return {name for name in names if not name.startswith("_")}


def defined_names(module: object) -> set[str]:
    """Public functions and classes that a built module defines itself."""
    return {
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
        if callable(thing)
    }


@pytest.mark.parametrize("unit", UNITS, ids=unit_name)
def test_each_unit_is_a_triple(unit):
    assert [suffix for suffix in (".pxd", ".pyi") if not unit.with_suffix(suffix).exists()] == []


def test_every_unit_is_built():
    named = re.findall(r'"(_[a-z]\w*)"', (ROOT / "setup.py").read_text("utf-8"))
    assert len(named) == len(set(named))
    assert {unit.stem for unit in UNITS} | {unit.stem for unit in (ROOT / "bench").glob("_*.pyx")} == set(
        named
    )


@pytest.mark.parametrize("unit", UNITS, ids=unit_name)
def test_the_stub_names_what_the_module_has(unit):
    module = importlib.import_module(module_name(unit))
    stub = stub_of(unit)
    names = declared_names(stub)
    assert [name for name in sorted(names) if not hasattr(module, name)] == []
    assert defined_names(module) - names == set()
    exported = [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)]
    assert exported == [] or [sorted(names) for names in exported] == [sorted(getattr(module, "__all__", []))]
    assert set(getattr(module, "__all__", [])) - names == set()


@pytest.mark.parametrize("unit", UNITS, ids=unit_name)
def test_the_stub_calls_like_the_module(unit):
    module = importlib.import_module(module_name(unit))
    differences = []
    for node in stub_of(unit).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            differences += call_differences(node.name, getattr(module, node.name), node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            differences += class_differences(unit, node, getattr(module, node.name))
    assert differences == []
