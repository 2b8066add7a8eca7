"""YAML whose mappings remember their line, so that a wrong rules file is answered with the line and not with a guess."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def wrong_line(path: Path, item: Mapping[str, Any], why: str) -> VimError:
    """VIM-E005 for a mapping of `load_with_lines` that says something wrong."""
    return VimError("VIM-E005", f"{path.name} line {item.get('__line__', '?')}: {why}", fix=f"Correct that line of {path.name}")


def check_keys(item: Any, required: Collection[str], optional: Collection[str], path: Path) -> None:
    """VIM-E005 unless `item` is a mapping with every required key (and not null), and no key but these."""
    if not isinstance(item, Mapping):
        raise VimError("VIM-E005", f"{path.name}: {item!r} stands where a mapping is expected", fix=f"Correct {path.name}")
    for name in required:
        if item.get(name) is None:
            raise wrong_line(path, item, f"{item.get('id') or item.get('name') or 'an entry'} has no `{name}`")
    for name in item:
        if name not in (*required, *optional, "__line__"):
            raise wrong_line(path, item, f"`{name}` means nothing here" + did_you_mean(str(name), (*required, *optional)))


def without_lines(value: Any) -> Any:
    """A value of `load_with_lines` as the file has it."""
    return {name: without_lines(item) for name, item in value.items() if name != "__line__"} if isinstance(value, Mapping) else value


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The end of a sentence about a word that is not known: the nearest known one, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
