"""What a Dagster instance file (`dagster.yaml`) asks of its surroundings, read without loading Dagster and without reaching its database.

Dagster itself says it in a traceback over the whole configuration schema, a minute into a night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def instance_file(home: Path) -> Mapping[str, Any]:
    """The instance file of a DAGSTER_HOME; empty where there is none, or where it is no YAML mapping (Dagster reports that itself)."""
    try:
        found = yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return found if isinstance(found, Mapping) else {}


def variables_in(config: object) -> Iterator[str]:
    """Names of the environment variables that the file takes values from, written `{env: NAME}`."""
    if isinstance(config, Mapping):
        name = config.get("env")
        if len(config) == 1 and isinstance(name, str):
            yield name
            return
        for value in config.values():
            yield from variables_in(value)
    elif isinstance(config, list):
        for value in config:
            yield from variables_in(value)


def written_folders(config: Mapping[str, Any], home: Path) -> list[Path]:
    """Folders that a process with this instance writes to: `home` itself, unless storage, logs and artifacts all have another place."""
    storage = config.get("storage")
    sqlite = storage.get("sqlite") if isinstance(storage, Mapping) else None
    folders = [] if isinstance(storage, Mapping) and sqlite is None else [_base_dir(sqlite)]
    for name in ("compute_logs", "local_artifact_storage"):
        part = config.get(name)
        folders.append(_base_dir(part.get("config") if isinstance(part, Mapping) else None))
    return list(dict.fromkeys(Path(folder) if folder else home for folder in folders))


def _base_dir(config: object) -> str | None:
    value = config.get("base_dir") if isinstance(config, Mapping) else None
    return value if isinstance(value, str) else None
