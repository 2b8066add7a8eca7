"""`vimotion init`: a commented portfolio file and the names of its settings, ready to be corrected.

The file passes `vimotion portfolio check --offline` as it is written: whoever starts from an empty page maps for a day before the first check.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vim_pipelines.core.crms import CRMS
from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.schema import NAME, schema_text
from vim_pipelines.settings import Settings, environment_variable, resource_path

STARTERS = (*CRMS, "csv")
PORTFOLIO = "portfolio.yaml"
GENERAL_SETTINGS = ("home", "portfolio", "write_mode", "anthropic_api_key")
GITIGNORE = ".env\n.vimotion/\n"


@dataclass(frozen=True)
class Started:
    """The files that were made."""

    folder: Path
    files: tuple[Path, ...]


def start_portfolio(folder: Path, crm: str) -> Started:
    """Write portfolio file, schema, `.env` and `.gitignore` for a CRM (one of STARTERS) into `folder`; VIM-E028 if one of the first three is there already."""
    texts = {PORTFOLIO: starter_text(crm), NAME: schema_text(), ".env": env_text(crm)}
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise VimError(
            "VIM-E028",
            f"{folder / there[0]} exists already",
            why="vimotion init never overwrites a file",
            fix=f"Name another folder, or move {' and '.join(there)} away",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            # Made for its owner only, and never over a file that came into being meanwhile: it will hold secrets.
            with open(folder / name, "x", encoding="utf-8", opener=_private if name == ".env" else None) as file:
                file.write(text)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text(GITIGNORE, encoding="utf-8")
    except OSError as error:
        raise VimError("VIM-E028", f"The folder {folder} cannot be written", why=error.strerror or "", fix="Name another folder") from None
    return Started(folder, tuple(folder / name for name in texts))


def starter_text(crm: str) -> str:
    """The commented portfolio file for a CRM."""
    folder = resource_path("portfolios") / "starters"
    part = {name: (folder / f"{name}.yaml").read_text(encoding="utf-8") for name in ("_head", "_sources", crm, "_rest", "_tail")}
    names = ", ".join(environment_variable(name) for name in vendor_settings(crm))
    line = '  crm: {kind: csv, path: "${data_dir}"}' if crm == "csv" else f"  crm: {{kind: {crm}}}"
    source = f"{line:<54} # {names}" if names else line
    return f"{part['_head']}\nsources:\n{source}\n{part['_sources']}\nentities:\n{part[crm]}{part['_rest']}{part['_tail']}"


def env_text(crm: str) -> str:
    """The settings that the portfolio needs, by name, each with what it is and without a value."""
    names = [*GENERAL_SETTINGS, *vendor_settings(crm), *vendor_settings("zendesk")]
    preset = {"portfolio": PORTFOLIO}
    lines = ["# Settings of Value-in-Motion for this folder. Keep this file out of version control. An empty value is not set.", ""]
    for name in names:
        lines += [f"# {Settings.model_fields[name].description}", f"{environment_variable(name)}={preset.get(name, '')}", ""]
    return "\n".join(lines)


def vendor_settings(kind: str) -> tuple[str, ...]:
    """The fields of Settings that belong to a system kind, in their order; none for files."""
    return tuple(name for name in Settings.model_fields if name.startswith(f"{kind}_"))


def _private(path: str, flags: int) -> int:
    import os

    return os.open(path, flags, 0o600)
