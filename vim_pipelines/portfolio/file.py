"""Reading a portfolio file: which sources feed which entity, and under which names.

Every tenant's CRM calls a seat something else, so the mapping is data. It is checked as a whole before anything is fetched, and
each mistake is reported with its line: without that, a typing error in one field shows up three layers later as an account
without a contract. Whether a mapped field exists in its source is ingestion's question (VIM-E012).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from vim_pipelines.core.dates import last_complete_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.mistakes import mistakes
from vim_pipelines.portfolio.model import EntityMap, FieldRule, Place, Portfolio, Source, line_of
from vim_pipelines.settings import resource_path

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

__all__ = ["Portfolio", "last_data_day", "load_portfolio"]


def load_portfolio(path: Path | None, settings: Settings, *, data_dir: Path | None = None) -> Portfolio:
    """The portfolio of the YAML file at `path` (None: the sandbox's); `data_dir`, or else the setting, overrides the file's own.

    Raises VIM-E003 if the file cannot be read as YAML and VIM-E004 with every mistake in it, each with its line.
    """
    path = path or resource_path("portfolios") / "sandbox.yaml"
    data_dir = data_dir or settings.data_dir
    document, lines = _read(path)
    try:
        portfolio = Portfolio.model_validate(document)
    except ValidationError as error:
        raise _wrong(path, [_problem(item, lines) for item in error.errors(include_url=False)]) from None
    base = path.resolve().parent
    folder = data_dir.resolve() if data_dir else base / (portfolio.data_dir or ".")
    portfolio._file, portfolio._lines = path.resolve(), lines
    portfolio._folders = {"VIMOTION_HOME": str(settings.home.resolve()), "data_dir": str(folder)}
    problems = list(mistakes(portfolio))
    if problems:
        raise _wrong(path, problems)
    return portfolio


def last_data_day(portfolio: Portfolio, settings: Settings) -> date:
    """The as-of date a run takes by default: yesterday, or what the portfolio's data says with `as_of: last_event`. VIM-E024 if it says nothing."""
    if portfolio.as_of == "last_complete_day":
        return last_complete_day(settings.now())
    from vim_pipelines.portfolio.last_event import last_event_day

    return last_event_day(portfolio)


# --- reading with lines ----------------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[Any, dict[Place, int]]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise VimError(
            "VIM-E003", f"The portfolio file {path} cannot be read", why=reason or "", fix="Check the path given to --portfolio or VIMOTION_PORTFOLIO"
        ) from None
    lines: dict[Place, int] = {}
    twice: list[tuple[int, str]] = []
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        document = _plain(node, (), lines, twice, loader) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise VimError("VIM-E003", f"The portfolio file {path} is not YAML", why=f"Line {line}: {error.problem}", fix="Correct that line") from None
    finally:
        loader.dispose()
    if not isinstance(document, dict):
        raise VimError("VIM-E003", f"The portfolio file {path} is empty or not a mapping", fix="Start from portfolios/template.yaml")
    if twice:
        raise _wrong(path, twice)
    return document, lines


def _plain(node: Any, path: Place, lines: dict[Place, int], twice: list[tuple[int, str]], loader: Any) -> Any:
    """The Python value of a YAML node; fills `lines` with the line of every key and list item."""
    import yaml

    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        value: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            place = (*path, str(key))
            line = key_node.start_mark.line + 1
            if key in value:
                twice.append((line, f"'{key}' stands twice, first on line {lines[place]}"))
            lines[place] = line
            value[key] = _plain(value_node, place, lines, twice, loader)
        return value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), lines, twice, loader) for index, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def _problem(item: Any, lines: Mapping[Place, int]) -> tuple[int, str]:
    place = tuple(item["loc"])
    message = item["msg"].removeprefix("Value error, ")
    last = str(place[-1]) if place else "the file"
    if item["type"] == "extra_forbidden":
        known = _keys_at(place[:-1])
        near = get_close_matches(last, known, n=1)
        return line_of(lines, place), f"'{last}' is not a key here" + (
            f"; did you mean '{near[0]}'?" if near else f"; the keys are {', '.join(known)}" if known else ""
        )
    if item["type"] == "missing":
        return line_of(lines, place), f"{_dotted(place[:-1])} lacks '{last}'"
    return line_of(lines, place), f"{_dotted(place)}: {message[0].lower() + message[1:]}"


def _keys_at(place: Place) -> list[str]:
    models: dict[int, type[BaseModel]] = {0: Portfolio}
    if len(place) >= 2 and place[0] == "sources":
        return list(Source.model_fields)
    if len(place) == 2 and place[0] == "entities":
        return list(EntityMap.model_fields)
    if len(place) == 4 and place[0] == "entities":
        return list(FieldRule.model_fields)
    return list(models[len(place)].model_fields) if len(place) in models else []


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place) or "the file"


def _wrong(path: Path, problems: list[tuple[int, str]]) -> VimError:
    ordered = sorted(set(problems))
    count = "one mistake" if len(ordered) == 1 else f"{len(ordered)} mistakes"
    listed = "; ".join(f"line {line}: {text}" for line, text in ordered)
    return VimError("VIM-E004", f"The portfolio file {path.name} has {count}", why=listed, fix="Correct the file; portfolios/template.yaml explains every key")
