"""Prints the conditions under which the figures were measured, and keeps them in pytest-benchmark's JSON."""

from __future__ import annotations

from typing import Any

import pytest

from bench.conditions import conditions, header


def pytest_report_header(config: pytest.Config) -> list[str]:
    return header().splitlines()


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    machine_info["conditions"] = conditions()
