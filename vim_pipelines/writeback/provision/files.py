"""The folder `deploy/crm`: every definition as a file, for those who make fields by their own tools. `python -m vim_pipelines.writeback.provision.files FOLDER` writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vim_pipelines.writeback.provision import hubspot, planhat, salesforce_metadata


def deploy_files() -> dict[str, str]:
    """Path under `deploy/crm` to text."""
    files = {f"salesforce/{path}": text for path, text in salesforce_metadata.source_files().items()}
    files["hubspot/group.companies.json"] = _json(hubspot.GROUP)
    files["hubspot/properties.companies.json"] = _json({"inputs": hubspot.definitions()})
    files["planhat/customfields.json"] = _json(planhat.definitions())
    return files


def write_files(folder: Path) -> list[Path]:
    """Write them, and say which."""
    written = []
    for name, text in deploy_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write("".join(f"{path}\n" for path in write_files(Path(sys.argv[1]))))
