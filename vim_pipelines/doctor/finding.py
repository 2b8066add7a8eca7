"""What the doctor says of one thing, and how all of it is shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vim_pipelines.core.errors import VimError

Status = Literal["ok", "warn", "fail"]
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
#: Exit status of the command by the worst finding.
EXIT_STATUS = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `area` is a source's name or a part of the house; `fix` is there unless the status is ok."""

    area: str
    name: str
    status: Status
    text: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """The finding as plain values."""
        return asdict(self)


def exit_status(findings: Sequence[Finding]) -> int:
    """0 all green, 1 something yellow, 2 something red."""
    return max((EXIT_STATUS[item.status] for item in findings), default=0)


def finding_lines(findings: Sequence[Finding], *, style: Callable[[str, str], str] = lambda text, colour: text) -> list[str]:
    """The findings for a terminal, area by area, and a verdict."""
    lines: list[str] = []
    area = None
    width = max((len(item.name) for item in findings), default=0)
    for item in findings:
        if item.area != area:
            lines += [""] * bool(lines) + [item.area]
            area = item.area
        lines.append(f"  {style(f'{item.status:<4}', COLOURS[item.status])}  {item.name:<{width}}  {item.text}")
        if item.fix and item.status != "ok":
            lines.append(f"        {'':<{width}}  fix: {item.fix}")
    counts: Mapping[str, int] = {status: sum(item.status == status for item in findings) for status in COLOURS}
    if counts["fail"]:
        verdict = style(f"{counts['fail']} red, {counts['warn']} yellow, {counts['ok']} green", "red") + ". Mend what is red, then run vimotion doctor again."
    elif counts["warn"]:
        verdict = style(f"No red, {counts['warn']} yellow, {counts['ok']} green", "yellow") + ". Next: vimotion audit"
    else:
        verdict = style(f"All {counts['ok']} green", "green") + ". Next: vimotion audit"
    return [*lines, "", verdict]


def makeable(area: str, name: str, path: Path) -> Finding:
    """Of a file that is not there yet: whether the first audit may make it."""
    folder = existing(path.parent)
    if not os.access(folder, os.W_OK):
        return Finding(area, name, "fail", f"{path} cannot be made: {folder} may not be written", "Give this user the right, or set VIMOTION_HOME")
    return Finding(area, name, "ok", f"{path} will be made by the first audit")


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path


def failed(area: str, name: str, error: VimError) -> Finding:
    """Red, in the words of an error."""
    return Finding(area, name, "fail", f"{error.code} {error.what.removesuffix('.')}{f' ({error.why})' if error.why else ''}", error.fix)
