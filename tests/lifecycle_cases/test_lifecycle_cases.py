"""The lifecycle against cases written from the design by somebody who had not read its code (cases.yaml).

All cases of a world stand in one portfolio as accounts, so that the nights are paid for once. A case on which the code and its writer differ is
listed in disputed.yaml with both sides until somebody decides; a case that holds may not stay on that list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt_portfolio import Portfolio, make_portfolio

from vim_pipelines.lifecycle.handoff_run import audit_handoffs
from vim_pipelines.lifecycle.run import fold_states
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.settings import resource_path
from vim_pipelines.signals.run import compute_signals

HERE = Path(__file__).parent
BOOK: dict[str, Any] = yaml.safe_load((HERE / "cases.yaml").read_text())
CASES: dict[str, dict[str, Any]] = {case["id"]: case for case in BOOK["cases"]}
DISPUTED: dict[str, dict[str, str]] = yaml.safe_load((HERE / "disputed.yaml").read_text())["disputed"] or {}
DATES: list[date] = BOOK["dates"]
#: What a case does not date was known some days before the first night.
LONG_KNOWN = datetime(2026, 6, 25, 9)
FEATURES = ("projects", "tasks", "approvals", "templates", "resource_planning", "time_tracking")
KEEPS = ("repeat", "known_on", "is_deleted")

Rows = dict[str, dict[str, dict[str, Any] | None]]


@dataclass(frozen=True)
class Seen:
    """What the nights said of one account: by date, the state (None: no row) and the requirements by title; the phases entered, with their dates."""

    states: Mapping[date, dict[str, Any] | None]
    statuses: Mapping[date, Mapping[str, str]]
    titles: Mapping[str, str]
    steps: tuple[tuple[date, int], ...]

    def phase(self, day: date) -> int | str:
        """The exception where one holds, else the phase of the spine; `none` where the account has no state."""
        state = self.states[day]
        return "none" if state is None else int(state["exception_phase"] or state["phase"])

    def blocked_by(self, day: date) -> str | None:
        identifier = (self.states[day] or {}).get("blocking_requirement_id")
        return None if identifier is None else self.titles[identifier].casefold()


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the changes of a case: columns over columns, rows over rows; null takes away."""
    result = dict(base)
    for name, value in change.items():
        under = result.get(name)
        result[name] = merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return result


def known(row: Mapping[str, Any]) -> datetime:
    return datetime.combine(row["known_on"], time(9)) if "known_on" in row else LONG_KNOWN


def spelled(value: Any, account: str, number: int) -> Any:
    return value.replace("{account}", account).replace("{n}", str(number)) if isinstance(value, str) else value


def add_row(portfolio: Portfolio, case: Mapping[str, Any], entity: str, name: str, row: Mapping[str, Any], at: datetime, *, is_deleted: bool = False) -> None:
    """One version of a row (of each of its `repeat` copies); keys are made unique to the account, and so are references to its other rows."""
    account = case["id"]
    for number in range(row.get("repeat", 1)):
        values = {column: spelled(value, account, number) for column, value in row.items() if column not in KEEPS}
        for reference in ("contact_key", "meeting_key"):
            if reference in values:
                values[reference] = f"{account}:{values[reference]}"
        key = account if entity == "account" else f"{account}:{name}" + (f"-{number}" if "repeat" in row else "")
        values = {"account_name": case["title"]} | values if entity == "account" else {"account_key": account} | values
        portfolio.add(entity, key, known_at=at, is_deleted=is_deleted, **values)


def add_usage(portfolio: Portfolio, account: str, usage: Mapping[str, Any]) -> None:
    """The same people each Wednesday, each with a few features in turn; the last week is the one of `until`."""
    monday = usage["until"] - timedelta(days=usage["until"].weekday())
    for week in range(usage["weeks"]):
        day = monday + timedelta(days=2 - 7 * week)
        for user in range(usage["active_users_per_week"]):
            portfolio.event(account, f"{account}-user-{user}", day, product=usage["product"], feature=FEATURES[(user + week) % len(FEATURES)])


def add_case(portfolio: Portfolio, case: Mapping[str, Any]) -> None:
    """All versions of the rows of a case, those that become known later among them."""
    rows = deepcopy(merged(BOOK["accounts"][case["start_from"]], case.get("change", {})))
    usage = rows.pop("usage", None)
    if usage:
        add_usage(portfolio, case["id"], usage)
    for entity, by_name in rows.items():
        for name, row in by_name.items():
            if row is None:
                continue
            if row.get("is_deleted"):
                add_row(portfolio, case, entity, name, row, known(row) - timedelta(days=2))
            add_row(portfolio, case, entity, name, row, known(row), is_deleted=bool(row.get("is_deleted")))
    for day, change in sorted(case.get("later", {}).items()):
        at = datetime.combine(day, time(9))
        if "usage" in change:
            add_usage(portfolio, case["id"], change["usage"])
        for entity, by_name in change.items():
            for name, patch in by_name.items() if entity != "usage" else ():
                before = rows.get(entity, {}).get(name) or {}
                rows.setdefault(entity, {})[name] = now = before | (patch or {})
                add_row(portfolio, case, entity, name, now, at, is_deleted=patch is None)


@cache
def requirement_ids() -> dict[str, str]:
    """Ids of the requirements by title, from the map itself: a case names a requirement as DESIGN does."""
    found: dict[str, str] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("id"), str) and isinstance(node.get("title"), str):
                found[node["title"].casefold()] = node["id"]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load((resource_path("vim_pipelines") / "lifecycle" / "phases.yaml").read_text()))
    return found


def spoken(case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The words of a case as rows of the operations store (`store.overrides.read_overrides`)."""
    for number, word in enumerate(case.get("words", ())):
        yield {
            "override_id": f"{case['id']}-{number}", "account_key": case["id"],
            "requirement_id": requirement_ids()[word["waive"].casefold()] if "waive" in word else None, "phase": word.get("set_phase"), "note": word["note"],
            "actor": f"{word['role']}@vendor.example", "role": word["role"], "created_at": datetime.combine(word["said_on"], time(10)), "expires_on": word.get("expires_on"),
        }  # fmt: skip


def watch(home: Path, world: str) -> dict[str, Seen]:
    """Every case of a world lived through all dates that it asks for."""
    cases = {name: case for name, case in CASES.items() if case.get("world", "main") == world}
    portfolio = make_portfolio(home)
    portfolio.not_fed = set(BOOK["worlds"][world].get("not_fed", ()))
    for case in cases.values():
        add_case(portfolio, case)
    overrides = sorted((row for case in cases.values() for row in spoken(case)), key=lambda row: (row["created_at"], row["override_id"]))
    dates = DATES if any("then" in case or "first_step_after" in case for case in cases.values()) else DATES[:1]
    for number, day in enumerate(dates):
        portfolio.build("base", as_of=day, write=number == 0)
        with portfolio.warehouse.session() as session:
            audit_handoffs(session, day, (), overrides)
            compute_signals(session, day)
            fold_states(session, overrides, day)
    states = {(row["account_key"], row["as_of_date"]): row for row in portfolio.rows("select * from computed.account_state")}
    requirements = portfolio.rows("select account_key, as_of_date, requirement_id, title, status from computed.requirements")
    titles = {row["requirement_id"]: row["title"] for row in requirements}
    statuses: dict[tuple[str, date], dict[str, str]] = {}
    for row in requirements:
        statuses.setdefault((row["account_key"], row["as_of_date"]), {})[row["title"].casefold()] = row["status"]
    steps: dict[str, dict[date, list[tuple[int | None, int]]]] = {}
    for row in portfolio.rows(
        "select account_key, as_of_date, from_phase, to_phase from computed.phase_transitions where region in ('spine', 'exception') order by all"
    ):
        steps.setdefault(row["account_key"], {}).setdefault(row["as_of_date"], []).append((row["from_phase"], row["to_phase"]))
    return {
        name: Seen(
            {day: states.get((name, day)) for day in dates},
            {day: statuses.get((name, day), {}) for day in dates},
            titles,
            tuple(entered(steps.get(name, {}))),
        )
        for name in cases
    }


def entered(steps: Mapping[date, list[tuple[int | None, int]]]) -> Iterator[tuple[date, int]]:
    """The phases entered, in order: the steps of one night are a chain, each leaving from where the one before arrived."""
    now: int | None = None
    for day, rows in sorted(steps.items()):
        left = list(rows)
        while left:
            step = next((step for step in left if step[0] == now), left[0])
            left.remove(step)
            now = step[1]
            yield day, now


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def is_named(title: str | None, names: str | list[str] | None) -> bool:
    """Whether the title begins with a name that a case gives it; both may be nothing."""
    return title is None if names is None else title is not None and title.startswith(tuple(name.casefold() for name in as_list(names)))


def disagreements(case: Mapping[str, Any], seen: Seen) -> list[str]:
    """What the code says otherwise than the case, one line each; empty if the case holds."""
    first, expect = DATES[0], case["expect"]
    found = [
        f"{day}: phase {seen.phase(day)}, expected {phases} (blocked by {seen.blocked_by(day)})"
        for day, phases in {first: expect["phase"], **case.get("then", {})}.items()
        if seen.phase(day) not in as_list(phases)
    ]
    if "blocked_by" in expect and not is_named(seen.blocked_by(first), expect["blocked_by"]):
        found.append(f"{first}: blocked by {seen.blocked_by(first)!r}, expected {expect['blocked_by']!r}")
    for title, status in expect.get("statuses", {}).items():
        if seen.statuses[first].get(title.casefold()) != status:
            found.append(f"{first}: '{title}' is {seen.statuses[first].get(title.casefold())}, expected {status}")
    if "exception" in expect and (seen.phase(first) == 11) != expect["exception"]:
        found.append(f"{first}: exception is {seen.phase(first) == 11}, expected {expect['exception']}")
    last = max(case.get("then", {DATES[-1]: None}))
    later = [phase for day, phase in seen.steps if first < day <= last]
    if "steps" in case and later != case["steps"]:
        found.append(f"entered {later} after {first}, expected {case['steps']}")
    if "first_step_after" in case and (later or [None])[0] not in as_list(case["first_step_after"]):
        found.append(f"entered {later} after {first}, expected {case['first_step_after']} first")
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return {name: one for world in BOOK["worlds"] for name, one in watch(tmp_path_factory.mktemp(world), world).items()}


@pytest.mark.parametrize("name", [name for name in CASES if name not in DISPUTED])
def test_the_case_holds(name: str, seen: dict[str, Seen]) -> None:
    case = CASES[name]
    assert disagreements(case, seen[name]) == [], f"{case['title']}. {case['why']}"


def test_the_disputed_list_holds_only_what_is_in_dispute(seen: dict[str, Seen]) -> None:
    """Each disputed case says why, and one that holds by now is taken off the list."""
    assert all(entry["reason"] for entry in DISPUTED.values())
    assert [name for name in DISPUTED if not disagreements(CASES[name], seen[name])] == [], "take these out of disputed.yaml: they hold"


def test_every_entity_of_a_case_exists_with_its_columns() -> None:
    """A misspelt column would leave the case without its point."""
    for name, case in CASES.items():
        for rows in (BOOK["accounts"][case["start_from"]], case.get("change", {}), *case.get("later", {}).values()):
            for entity, by_name in rows.items():
                columns = {*KEEPS, *ENTITIES[entity].column_by_name} if entity != "usage" else {"active_users_per_week", "weeks", "product", "until"}
                for row in by_name.values() if entity != "usage" else [by_name]:
                    assert set(row or {}) <= columns, (name, entity)


def test_the_spine_and_the_exception_are_all_covered() -> None:
    phases = {phase for case in CASES.values() for phase in as_list(case["expect"]["phase"])}
    assert len(CASES) >= 44
    assert {1, 2, 3, 4, 8, 9, 10, 11} <= phases
