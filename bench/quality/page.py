"""The figures as one HTML page that loads nothing: bars, plots, tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from bench.quality.picture import Line, picture, style

_KEPT_APART: Final = ("conditions", "verdicts", "remarks", "cpu_s")
_STYLE: Final = """
:root { color-scheme: light dark; } body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .15rem .7rem .15rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; }
.wide { overflow-x: auto; } .missed { color: #c0362c; } svg { width: 100%; height: auto; }
"""


def page(told: dict[str, Any]) -> str:
    """The page for what the command gave."""
    parts = ["<h1>Quality of the sound</h1>", bars(told["verdicts"])]
    parts += [f"<p>{escape(remark)}</p>" for remark in told["remarks"]]
    parts += plots(told)
    for name, rows in told.items():
        if name not in _KEPT_APART:
            parts += [f"<h2>{escape(name)}</h2>", table(rows)]
    parts += ["<h2>conditions</h2>", table([{"": k, "value": v} for k, v in told["conditions"].items()])]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Quality of the sound</title>'
        f"<style>{_STYLE}\n{style()}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def bars(verdicts: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"<tr{'' if each['met'] else ' class=missed'}><td>{escape(each['name'])}</td>"
        f"<td>{'' if each['found'] is None else each['found']}</td><td>{escape(each['bar'])}</td>"
        f"<td>{'met' if each['met'] else 'missed'}</td></tr>"
        for each in verdicts
    ]
    head = "<tr><th>bar</th><th>found</th><th>asked</th><th></th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def table(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(row.get(column, '–')))}</td>" for column in columns) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def plots(told: dict[str, Any]) -> list[str]:
    """Delay against damage for each network; PESQ against loss for each model; PESQ against voices."""
    found = []
    jitter = told.get("jitter", [])
    for trace in dict.fromkeys(row["trace"] for row in jitter):
        points = [
            Line(row["buffer"], ((row["delay_ms_mean"], row["concealed_pct"] + row["dropped_pct"]),))
            for row in jitter
            if row["trace"] == trace
        ]
        found.append(picture(f"{trace}: concealed and dropped, %", "mean delay, ms", points))
    loss = told.get("loss", [])
    for model in dict.fromkeys(row["model"] for row in loss):
        rows = [row for row in loss if row["model"] == model]
        found.append(picture(f"{model} loss: PESQ", "lost, %", lines_by(rows, "mode", "loss_pct")))
    if told.get("mixing"):
        found.append(picture("mixing: PESQ", "voices", lines_by(told["mixing"], "method", "voices")))
    return found


def lines_by(rows: Sequence[dict[str, Any]], name: str, across: str) -> list[Line]:
    return [
        Line(each, tuple((row[across], row["pesq"]) for row in rows if row[name] == each))
        for each in dict.fromkeys(row[name] for row in rows)
    ]
