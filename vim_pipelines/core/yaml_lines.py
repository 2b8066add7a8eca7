"""YAML whose mappings remember their line, so that a wrong rules file is answered with the line and not with a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vim_pipelines.core.errors import VimError


def load_with_lines(path: Path) -> Any:
    """The content of a YAML file; every mapping has its line (from 1) under `__line__`. VIM-E005 for text that is no YAML or repeats a key."""
    import yaml

    class Loader(yaml.SafeLoader):
        """SafeLoader that keeps lines and refuses a repeated key: YAML would silently take the last one."""

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if key in result:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands there twice", problem_mark=key_node.start_mark)
            result[key] = loader.construct_object(value_node, deep=True)
        result["__line__"] = node.start_mark.line + 1
        return result

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise VimError("VIM-E005", f"{path.name}{line}: {getattr(error, 'problem', None) or error}", fix=f"Correct {path.name}") from None
