"""What docs/control-plane.md shows of the rules' own tables: `python -m signaling.rules.diagram`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from signaling.rules.grants import TABLE
from signaling.rules.lifecycle import PERSON_STEPS, SPACE_STEPS
from signaling.rules.roles import Action, Standing, State, Target

__all__ = ["blocks", "diagram", "permissions"]

_NOBODY: frozenset[Target] = frozenset()
_COLUMNS = tuple(standing for standing in Standing if standing is not Standing.BANNED)
_ANYBODY_ELSE = frozenset(Target) - {Target.NOBODY, Target.SELF}
_ENDS = (State.CANCELLED, State.ENDED, State.TIMED_OUT)


def diagram() -> str:
    """A Mermaid state diagram: the life of a Space, and inside `live` what people are to it."""
    lines = ["stateDiagram-v2"]
    steps: dict[tuple[str, str], list[str]] = {}
    for space_step in SPACE_STEPS:
        start = "[*]" if space_step.before is None else space_step.before.value
        cause = space_step.cause
        if isinstance(cause, Action) and space_step.before is not None:
            cause = _by(cause, _holders(space_step.before, cause, Target.NOBODY))
        steps.setdefault((start, space_step.after.value), []).append(cause)
    lines += [f"    {start} --> {after}: {', '.join(causes)}" for (start, after), causes in steps.items()]
    lines += [f"    {state.value} --> [*]" for state in _ENDS]
    lines += ["    state live {", '        state "co-host" as co_host']
    people: dict[tuple[str, str], list[str]] = {}
    for before, action, after in PERSON_STEPS:
        people.setdefault((_name(before), _name(after)), []).append(_person_cause(before, action))
    lines += [
        f"        {start} --> {after}: {', '.join(causes)}" for (start, after), causes in people.items()
    ]
    return "\n".join([*lines, "    }"]) + "\n"


def permissions(states: Iterable[State]) -> str:
    """A Markdown table, a row for each act that anybody may do in one of these states, which are alike."""
    wanted = tuple(states)
    rows = ["| act | " + " | ".join(_COLUMNS) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for action in Action:
        cells = [_cell(_granted(wanted, standing, action)) for standing in _COLUMNS]
        if any(cell != "–" for cell in cells):
            rows.append(f"| `{action.value}` | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def blocks() -> Mapping[str, str]:
    """Every generated block of the page, by its name."""
    return {
        "states": f"```mermaid\n{diagram()}```\n",
        "live": permissions([State.LIVE]),
        "scheduled": permissions([State.SCHEDULED]),
        "over": permissions(_ENDS),
    }


def _granted(states: tuple[State, ...], standing: Standing, action: Action) -> frozenset[Target]:
    found = {TABLE.get((state, standing, action), _NOBODY) for state in states}
    if len(found) != 1:
        raise ValueError(f"{action} of {standing} differs between {', '.join(states)}; list them apart")
    return found.pop()


def _cell(targets: frozenset[Target]) -> str:
    if not targets:
        return "–"
    if targets == _ANYBODY_ELSE:
        return "anybody else"
    words = {Target.NOBODY: "yes", Target.OUTSIDE: "who is gone"}
    return ", ".join(words.get(target, target.value) for target in Target if target in targets)


def _person_cause(before: Standing, action: Action) -> str:
    target = Target(before.value)
    if before is Standing.HOST:  # what handing over does to the one who does it
        return action.value
    others = _holders(State.LIVE, action, target)
    if _is_own(before, action) and others:
        others = ["self", *others]
    return _by(action, others)


def _is_own(standing: Standing, action: Action) -> bool:
    granted = TABLE.get((State.LIVE, standing, action), _NOBODY)
    return bool(granted & {Target.NOBODY, Target.SELF})


def _holders(state: State, action: Action, target: Target) -> list[str]:
    return [
        standing.value for standing in _COLUMNS if target in TABLE.get((state, standing, action), _NOBODY)
    ]


def _by(action: Action, holders: list[str]) -> str:
    return f"{action.value} ({', '.join(holders)})" if holders else action.value


def _name(standing: Standing) -> str:
    return standing.value.replace("-", "_")


if __name__ == "__main__":
    for name, block in blocks().items():
        print(f"<!-- {name} -->\n{block}<!-- end of {name} -->\n")
