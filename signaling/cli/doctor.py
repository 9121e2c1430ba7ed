"""`spaces doctor`: what is here, what is missing, and what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from signaling.cli.examine import Finding, Verdict, examine
from signaling.cli.failures import EXIT_FAILED

__all__ = ["run", "table_of"]

_MARKS = {Verdict.OK: ("✓", "green"), Verdict.ADVICE: ("!", "yellow"), Verdict.MISSING: ("✗", "red")}


def run(*, as_json: bool, console: Console | None = None) -> int:
    """Print the findings; returns the exit status: 0 if all that is needed is there, else 1."""
    findings = examine()
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    console = console or Console()
    if as_json:
        report = {"ok": not missing, "findings": [asdict(finding) for finding in findings]}
        console.out(json.dumps(report, ensure_ascii=False), highlight=False)
        return EXIT_FAILED if missing else 0
    console.print(table_of(findings))
    for finding in findings:
        if finding.remedy:
            mark, style = _MARKS[finding.verdict]
            console.print(Text.assemble((f"{mark} {finding.name}: ", style), finding.remedy), soft_wrap=True)
    if missing:
        console.print(
            f"\n{len(missing)} of {len(findings)} things are missing; the lines above say how to get them."
        )
    else:
        console.print("\nAll that is needed is here. Try it:  [bold]spaces demo[/bold]")
    return EXIT_FAILED if missing else 0


def table_of(findings: list[Finding]) -> Table:
    """One row a finding, grouped."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            table.add_row("", Text(group, style="dim"), "")
        mark, style = _MARKS[finding.verdict]
        table.add_row(Text(mark, style=style), finding.name, Text(finding.value))
    return table
