"""Reading a portfolio file: which sources feed which entity, and under which names.

Every tenant's CRM calls a seat something else, so the mapping is data. It is checked as a whole before anything is fetched, and
each mistake is reported with its line: without that, a typing error in one field shows up three layers later as an account
without a contract. Whether a mapped field exists in its source is ingestion's question (VIM-E012, `vimotion portfolio check`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from vim_pipelines.core.crms import CRMS
from vim_pipelines.core.dates import last_complete_day
from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.mistakes import mistakes
from vim_pipelines.portfolio.model import (
    Condition,
    CrossCheck,
    EntityMap,
    FieldRule,
    Identity,
    IdentityLink,
    KeySet,
    Lookup,
    Person,
    Place,
    Portfolio,
    Roles,
    Source,
    line_of,
)
from vim_pipelines.portfolio.roles import with_roles
from vim_pipelines.settings import resource_path

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

__all__ = ["Portfolio", "last_data_day", "load_portfolio", "portfolio_path", "read_portfolio", "sandbox_crm_of"]

#: Levels of a portfolio file; an alias that contains itself has no end.
DEEPEST = 12
#: Rounds of repair after which a file is given up: each round ends with at least one wrong thing less.
MOST_REPAIRS = 50


def load_portfolio(path: Path | None, settings: Settings, *, data_dir: Path | None = None) -> Portfolio:
    """The portfolio of the YAML file at `path` (None: the sandbox's, for the CRM that serves it); `data_dir`, or else the setting, overrides the file's own.

    Raises VIM-E003 if the file cannot be read as YAML and VIM-E004 with every mistake in it, each with its line.
    """
    path = path or _sandbox_file(settings.sandbox_crm)
    portfolio, problems = read_portfolio(path, settings, data_dir=data_dir)
    if problems:
        raise _wrong(path, problems)
    return portfolio


def portfolio_path(settings: Settings) -> Path:
    """The portfolio file that the settings name: the user's, or else the sandbox's for the CRM that serves it."""
    return settings.portfolio or _sandbox_file(settings.sandbox_crm)


def sandbox_crm_of(path: Path) -> str | None:
    """The CRM whose sandbox portfolio this file is, or None for a file of the user's own."""
    return next((crm for crm in CRMS if path.is_file() and path.resolve() == _sandbox_file(crm).resolve()), None)


def read_portfolio(path: Path, settings: Settings, *, data_dir: Path | None = None) -> tuple[Portfolio, list[tuple[int, str]]]:
    """What can be used of the file, and every mistake with its line, in the order of the file. VIM-E003 if it is not YAML.

    A mistake in one place must not hide those in others: what is wrong is taken out, and the rest is judged as if it were right.
    """
    data_dir = data_dir or settings.data_dir
    document, lines, problems = _read(path)
    portfolio, wrong = _validated(document, lines)
    problems += wrong
    portfolio._file, portfolio._lines = path.resolve(), lines
    folder = data_dir.resolve() if data_dir else path.resolve().parent / (portfolio.data_dir or ".")
    portfolio._folders = {"VIMOTION_HOME": str(settings.home.resolve()), "data_dir": str(folder)}
    told = {line for line, _ in problems}
    problems += [item for item in mistakes(portfolio) if item[0] not in told]
    portfolio.entities.update(with_roles(portfolio))
    return portfolio, sorted(set(problems))


def last_data_day(portfolio: Portfolio, settings: Settings) -> date:
    """The as-of date a run takes by default: yesterday, or what the portfolio's data says with `as_of: last_event`. VIM-E024 if it says nothing."""
    if portfolio.as_of == "last_complete_day":
        return last_complete_day(settings.now())
    from vim_pipelines.portfolio.last_event import last_event_day

    return last_event_day(portfolio)


def _sandbox_file(crm: str) -> Path:
    return resource_path("portfolios") / ("sandbox.yaml" if crm == "salesforce" else f"{crm}.yaml")


# --- reading with lines ----------------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[dict[str, Any], dict[Place, int], list[tuple[int, str]]]:
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
    except yaml.YAMLError as error:
        raise VimError("VIM-E003", f"The portfolio file {path} is not YAML", why=str(error).splitlines()[0], fix="Correct the file") from None
    except ValueError as error:
        raise VimError("VIM-E003", f"The portfolio file {path} holds a value that YAML cannot read", why=str(error), fix="Put it in quotes") from None
    finally:
        loader.dispose()
    if not isinstance(document, dict):
        raise VimError("VIM-E003", f"The portfolio file {path} is empty or not a mapping", fix="Start from portfolios/template.yaml")
    return document, lines, twice


def _plain(node: Any, path: Place, lines: dict[Place, int], twice: list[tuple[int, str]], loader: Any) -> Any:
    """The Python value of a YAML node; fills `lines` with the line of every key and list item."""
    import yaml

    if len(path) > DEEPEST:
        raise yaml.MarkedYAMLError(problem="it is nested too deep, or an alias names what it stands in", problem_mark=node.start_mark)
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        value: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | bool | date | None):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key_node.start_mark)
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


# --- what is wrong is told and taken out -------------------------------------------------------------------------------


def _validated(document: dict[str, Any], lines: Mapping[Place, int]) -> tuple[Portfolio, list[tuple[int, str]]]:
    """The portfolio without what is wrong in `document`, and the mistakes that were found."""
    document = deepcopy(document)
    problems: list[tuple[int, str]] = []
    for _ in range(MOST_REPAIRS):
        try:
            return Portfolio.model_validate(document), problems
        except ValidationError as error:
            for item in error.errors(include_url=False):
                problems.append(_problem(item, lines))
                _take_out(document, tuple(item["loc"]), item["type"])
    # Nothing that a person wrote gets here; if something does, what was found is told and the rest is not judged.
    return Portfolio(name="?", currency="XXX", sources={}, entities={}), problems or [(1, "the file cannot be understood")]


def _take_out(document: dict[str, Any], place: Place, kind: str) -> None:
    """Remove the smallest thing around `place` without which the document can still be a portfolio."""
    top = place[0] if place else ""
    if top == "entities" and len(place) >= 4 and place[2] == "fields" and kind != "extra_forbidden":
        document["entities"][place[1]]["fields"][place[3]] = {"constant": "?"}
    elif kind == "extra_forbidden" or (top == "entities" and len(place) >= 3 and place[2] not in ("source", "fields")):
        place = place if kind == "extra_forbidden" or place[2] != "where" else place[:4]
        holder: Any = document
        for part in place[:-1]:
            holder = holder[part] if isinstance(holder, list) and isinstance(part, int) else holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            for key in [key for key in holder if str(key) == str(place[-1])]:
                del holder[key]
    elif top == "entities" and len(place) >= 2:
        document["entities"].pop(place[1], None)
    elif top == "sources" and len(place) >= 2:
        document["sources"].pop(place[1], None)
        entities = document.get("entities")
        for name in [name for name, entity in (entities or {}).items() if isinstance(entity, dict) and entity.get("source") == place[1]]:
            del document["entities"][name]
        document.pop("cross_checks", None)
    elif top in ("sources", "entities"):
        document[str(top)] = {}
    elif top == "name":
        document["name"] = "?"
    elif top == "currency":
        document["currency"] = "XXX"
    else:
        document.pop(str(top), None)


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
    if item["type"] == "model_type":
        model = item.get("ctx", {}).get("class_name", "")
        return line_of(lines, place), f"{_dotted(place)}: say {_FORMS.get(model, 'keys and values')}, not {_shown(item['input'])}"
    return line_of(lines, place), f"{_dotted(place)}: {message[0].lower() + message[1:]}"


_FORMS = {
    "FieldRule": "the name of a source field, or a rule such as {field: NAME}",
    "Source": "the kind of the source, such as {kind: salesforce}",
    "EntityMap": "source, object or path, and fields",
}


def _shown(value: Any) -> str:
    return "nothing" if value is None else f"'{value}'" if isinstance(value, str | int | float | bool) else "a list" if isinstance(value, list) else "that"


def _keys_at(place: Place) -> list[str]:
    """The keys that may stand under `place`."""
    model: type[BaseModel] | None = Portfolio if not place else None
    match place:
        case ("sources", _):
            model = Source
        case ("entities", _):
            model = EntityMap
        case ("entities", _, "fields", _):
            model = FieldRule
        case ("entities", _, "fields", _, "lookup"):
            model = Lookup
        case ("entities", _, "where", _) | ("cross_checks", _, _, "where", _):
            model = Condition
        case ("roles",):
            model = Roles
        case ("identity",):
            model = Identity
        case ("identity", "links", _):
            model = IdentityLink
        case ("roles", "people", _):
            model = Person
        case ("cross_checks", _):
            model = CrossCheck
        case ("cross_checks", _, _):
            model = KeySet
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _dotted(place: Place) -> str:
    return ".".join(str(part) for part in place) or "the file"


def _wrong(path: Path, problems: list[tuple[int, str]]) -> VimError:
    count = "one mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    listed = "; ".join(f"line {line}: {text}" for line, text in problems)
    return VimError("VIM-E004", f"The portfolio file {path.name} has {count}", why=listed, fix="Correct the file; portfolios/template.yaml explains every key")
