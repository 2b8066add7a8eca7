"""Two hundred drafts written by hand for forty accounts, by an author who had read the rules of writing and not the gates.

They are the other side of the liar test: gates that hold everything would pass it. The texts are data (one file for each document), so that
a reader can judge them; what stands here translates them. Slots are named by metric (`{{unused_seats}}`, `{{core.unused_seats}}`,
`{{risk.MURA_DROP}}`), which an author can check by eye, and become handles here. Notation of a draft: `# kind` opens a section, a line is a
paragraph (`[question] ...` sets its kind, ` << left < right; ...` its comparisons), `> owner | due | action | measure` is a step, `! ...` a title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from vim_pipelines.reasoning.facts import ACCOUNT_HANDLES, GROUP_HANDLES, WINDOW_HANDLE, FactSheet, build_sheet
from vim_pipelines.reasoning.schema import DraftDocument, OwnerRole

AS_OF = date(2026, 6, 28)
DOCUMENTS = ("license_optimization_plan", "risk_mitigation_plan", "value_realization_roadmap")
TITLES = {
    "license_optimization_plan": "License Optimization Plan: {{account_name}}",
    "risk_mitigation_plan": "Risk Mitigation Plan: {{account_name}}",
    "value_realization_roadmap": "Value Realization Roadmap for {{account_name}}",
}
#: The kind of a paragraph whose author gave none.
KIND_OF_SECTION = {"risks": "risk", "unknowns": "question", "measures": "explanation", "opportunity": "recommendation", "timing": "explanation"}
RELATIONS = {"<": "below", "=": "equal", ">": "above"}
_UNITS = {
    "seats_contracted": "seats", "unused_seats": "seats", "shelfware_seats": "seats", "active_users_28d": "users", "weekly_active_recent": "users",
    "weekly_active_prior": "users", "utilization_28d": "ratio", "unused_value_annual": "money", "waste_annual": "money", "arr_amount": "money",
    "net_unit_price_annual": "money", "renewal_date": "date", "opt_out_date": "date", "last_activity_date": "date", "fttv_reached_on": "date",
    "days_to_renewal": "days", "gap_days": "days", "tickets_28d": "count", "tickets_open": "count", "risk_score": "ratio",
}  # fmt: skip
#: As the marts mark them.
_SHAREABLE = {
    "seats_contracted", "active_users_28d", "unused_seats", "utilization_28d", "renewal_date", "opt_out_date", "weekly_active_recent", "weekly_active_prior",
    "last_activity_date", "champion_name", "sponsor_name", "csm_name", "fttv_reached_on", "unused_feature_names",
}  # fmt: skip
_CONTRACTED = {"seats_contracted", "net_unit_price_annual", "renewal_date", "opt_out_date", "arr_amount"}


@dataclass(frozen=True)
class HonestDraft:
    """One draft: `text` in the notation of this folder, `draft` as a provider would return it, `sheet` with all facts of the account."""

    id: str
    account: str
    document: str
    sheet: FactSheet
    draft: DraftDocument


@cache
def accounts() -> Mapping[str, Mapping[str, Any]]:
    """Accounts by their short name, as data."""
    return yaml.safe_load((files(__package__) / "accounts.yaml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def fact_row(metric: str, value: Any, scope: str, account_key: str, currency: str) -> dict[str, Any]:
    """A row of `marts.fct_account_facts`; None is an unknown fact."""
    unit = _UNITS.get(metric, "text")
    is_text = unit in ("text", "date")
    return {
        "account_key": account_key, "metric": metric, "scope": scope, "label": metric.replace("_", " "),
        "value_number": None if is_text or value is None else Decimal(str(value)), "value_text": str(value) if is_text and value is not None else None,
        "unit": unit, "currency": currency if unit == "money" else None, "window_label": "last four weeks", "status": "unknown" if value is None else "ok",
        "sensitivity": "shareable" if metric in _SHAREABLE else "internal", "fact_class": "contracted" if metric in _CONTRACTED else "computed",
        "source_table": "marts.fct_account_signals", "source_key": account_key,
    }  # fmt: skip


def rows_of(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(fact rows, risk rows) of an account, as the marts would hold them."""
    data = accounts()[name]
    key, currency = f"ACC-{name.upper()}", str(data["currency"])
    products = {product: _product(*line) for product, line in data["products"].items()}
    facts = _account_facts(data, products) | dict(data.get("set") or {})
    rows = [fact_row(metric, value, "account", key, currency) for metric, value in facts.items()]
    rows += [fact_row(metric, value, product, key, currency) for product, values in products.items() for metric, value in values.items()]
    return rows, [{"account_key": key, "rule_id": rule, "severity": severity} for rule, severity in data["risks"].items()]


@cache
def sheet_of(name: str) -> FactSheet:
    """All facts of an account."""
    rows, risks = rows_of(name)
    return build_sheet(f"ACC-{name.upper()}", str(accounts()[name]["name"]), AS_OF, rows, risks)


def honest_drafts(document: str | None = None) -> Iterator[HonestDraft]:
    """All drafts, or those of one document, in the order of the files."""
    for kind in DOCUMENTS if document is None else (document,):
        entries = yaml.safe_load((files(__package__) / f"{kind}.yaml").read_text(encoding="utf-8"))
        for number, entry in enumerate(entries):
            account = str(entry["account"])
            sheet = sheet_of(account)
            yield HonestDraft(f"{kind}/{number:03d}-{account}", account, kind, sheet, parse(str(entry["draft"]), kind, sheet))


def parse(text: str, document: str, sheet: FactSheet) -> DraftDocument:
    """The document that a text in this folder's notation stands for. KeyError names a slot that the account has no fact for."""
    title = TITLES[document]
    sections: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for line in filter(None, (part.strip() for part in text.splitlines())):
        if line.startswith("! "):
            title = line[2:]
        elif line.startswith("# "):
            sections.append({"kind": line[2:].strip(), "paragraphs": []})
        elif line.startswith("> "):
            steps.append(_step(line[2:], sheet))
        else:
            sections[-1]["paragraphs"].append(_paragraph(line, sections[-1]["kind"], sheet))
    return DraftDocument.model_validate({"title": _slots(title, sheet), "sections": sections, "steps": steps})


def handle_of(name: str, sheet: FactSheet) -> str:
    """The handle of `unused_seats`, `core.unused_seats` (by product) or `risk.MURA_DROP` (by rule) on this sheet."""
    scope, _, metric = name.rpartition(".")
    if scope == "risk":
        return next(risk.handle for risk in sheet.risks if risk.scope == metric)
    if scope:
        group = next(index for index in sheet.groups if sheet.facts[GROUP_HANDLES[index]["product_name"]].scope == scope)
        return GROUP_HANDLES[group][metric]
    return (ACCOUNT_HANDLES | {"usage_window": WINDOW_HANDLE})[metric]


def _slots(text: str, sheet: FactSheet) -> str:
    return re.sub(r"\{\{([\w.]+)\}\}", lambda found: "{{" + handle_of(found[1], sheet) + "}}", text)


def _cited(*texts: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"\{\{(F\d+)\}\}", " ".join(texts))))


def _paragraph(line: str, section: str, sheet: FactSheet) -> dict[str, Any]:
    kind = re.match(r"\[(\w+)\] ", line)
    body, _, claims = (line[kind.end() :] if kind else line).partition(" << ")
    compares = []
    for claim in filter(None, claims.split(";")):
        left, sign, right = claim.split()
        compares.append({"left": handle_of(left, sheet), "relation": RELATIONS[sign], "right": handle_of(right, sheet)})
    text = _slots(body, sheet)
    return {"text_with_slots": text, "fact_ids": _cited(text), "compares": compares, "kind": kind[1] if kind else KIND_OF_SECTION.get(section, "finding")}


def _step(line: str, sheet: FactSheet) -> dict[str, Any]:
    owner, due, action, measure = (part.strip() for part in line.split(" | "))
    is_relative = due.startswith("within_")
    action, measure = _slots(action, sheet), _slots(measure, sheet)
    return {
        "action": action, "owner_role": owner, "due_fact": None if is_relative else handle_of(due, sheet), "due_relative": due if is_relative else None,
        "fact_ids": _cited(action, measure), "success_measure": measure,
    }  # fmt: skip


def _product(seats: int, active: int | None, price: Any, gap: int | None, features: str | None) -> dict[str, Any]:
    unused = None if active is None else max(seats - active, 0)
    money = None if price is None else Decimal(str(price))
    return {
        "seats_contracted": seats, "active_users_28d": active, "unused_seats": unused, "shelfware_seats": gap, "net_unit_price_annual": money,
        "unused_value_annual": None if unused is None or money is None else unused * money,
        "waste_annual": None if gap is None or money is None else gap * money, "unused_feature_names": features,
    }  # fmt: skip


def _total(products: Mapping[str, Mapping[str, Any]], metric: str) -> Any:
    values = [values[metric] for values in products.values()]
    return None if any(value is None for value in values) else sum(values)


def _account_facts(data: Mapping[str, Any], products: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    csm, champion, sponsor = data["people"]
    renewal, opt_out = data["renewal"]
    seats, unused = _total(products, "seats_contracted"), _total(products, "unused_seats")
    prices = [(values["seats_contracted"], values["net_unit_price_annual"]) for values in products.values()]
    return {
        "csm_name": csm, "champion_name": champion, "sponsor_name": sponsor, "tier": "tier_1" if seats > 250 else "tier_2",
        "arr_amount": None if any(price is None for _, price in prices) else sum(count * price for count, price in prices),
        "renewal_date": renewal, "opt_out_date": opt_out, "days_to_renewal": None if renewal is None else (renewal - AS_OF).days,
        "seats_contracted": seats, "active_users_28d": data["active"], "unused_seats": unused,
        "utilization_28d": None if unused is None else (Decimal(seats - unused) / seats).quantize(Decimal("0.0001")),
        "shelfware_seats": _total(products, "shelfware_seats"), "unused_value_annual": _total(products, "unused_value_annual"),
        "waste_annual": _total(products, "waste_annual"), "weekly_active_recent": data["weekly"][0], "weekly_active_prior": data["weekly"][1],
        "gap_days": data["quiet"][0], "last_activity_date": data["quiet"][1], "tickets_28d": data["support"][0], "tickets_open": data["support"][1],
        "risk_score": data["score"], "phase_name": data["phase"][0], "blocking_requirement": data["phase"][1], "fttv_reached_on": data["fttv"],
    }  # fmt: skip


__all__ = ["AS_OF", "DOCUMENTS", "HonestDraft", "OwnerRole", "accounts", "fact_row", "handle_of", "honest_drafts", "parse", "rows_of", "sheet_of"]
