"""What the CRM's own fields hold of the handoff matrix, by rule: there, not there, wrong in themselves, or out of date.

Rules of GUARDRAILS section 4: the end is the start plus the term, the lines add up to the deal within 1 %, the next term does not begin
before the last has ended, the opt-out deadline lies ahead, and roles are held by people who are still there. Lines whose numbers are
wrong (negative seats, an end before the start) are part of the answer here: they are what a person must put right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from vim_pipelines.lifecycle.contract_terms import Duration
from vim_pipelines.lifecycle.handoff_matrix import Field
from vim_pipelines.lifecycle.handoff_values import is_share_off

Row = Mapping[str, Any]
State = Literal["ok", "absent", "invalid", "stale", "unfed"]

#: A deal that closed within so many days of the first day of its lines is the deal they were sold in.
DEAL_DAYS = 60


@dataclass(frozen=True)
class CrmAnswer:
    """What the CRM says of one field. `value`: in words; `keys`: the rows that say it as (entity, key)."""

    state: State
    value: str | None = None
    reason: str = ""
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Feeds:
    """What is kept in the portfolio at all: entities with a row, roles, kinds of documents, and columns that some line has a value in."""

    contract_line: bool = True
    opportunity: bool = True
    contact_role: bool = True
    documents: frozenset[str] = frozenset({"handoff", "contract", "sales_document"})
    columns: frozenset[str] = frozenset({"term_months", "billing_frequency", "sla_tier", "discount_expires_on"})


@dataclass(frozen=True)
class CrmRecord:
    """The CRM's rows of one account that the matrix is checked against, and the day on which they are looked at.

    `lines`: rows of base.int_contract_lines with the columns of the contract line that it lacks, drafts left out. `contacts`, `deals`:
    rows of the staging models. `cycle_started_on`: first day of the relation that counts.
    """

    account_key: str
    as_of: date
    cycle_started_on: date | None = None
    lines: Sequence[Row] = ()
    contacts: Sequence[Row] = ()
    deals: Sequence[Row] = ()
    feeds: Feeds = field(default_factory=Feeds)

    def is_there(self, contact: Row) -> bool:
        return contact.get("is_active") is not False and (contact.get("left_on") is None or contact["left_on"] > self.as_of)

    @cached_property
    def scope(self) -> list[Row]:
        """The lines that count today: those in force and wrong ones beside them; without any, those to come; without any, the last that ended."""
        faulty = [line for line in self.lines if line["line_status"] == "invalid" and line["contract_status"] == "active" and not _is_over(line, self.as_of)]
        active = [line for line in self.lines if line["is_active"]]
        if active or faulty:
            return [*active, *faulty]
        valid = [line for line in self.lines if line["line_status"] == "ok" and line.get("start_date")]
        coming = [line for line in valid if line["start_date"] > self.as_of and line["contract_status"] == "active"]
        if coming:
            return coming
        last = max((line["end_date"] for line in valid if line.get("end_date")), default=None)
        return [line for line in valid if line.get("end_date") == last]

    def lines_from(self, day: date | None, within_days: int = 120) -> list[Row]:
        """The valid lines that began on the day nearest to `day`: those that a text of that day is about. None within that many days: no lines."""
        begun = [line for line in self.lines if line["line_status"] == "ok" and line.get("start_date")]
        if day is None or not begun:
            return []
        nearest = min({line["start_date"] for line in begun}, key=lambda start: (abs((start - day).days), start))
        return [line for line in begun if line["start_date"] == nearest] if abs((nearest - day).days) <= within_days else []


def check(matrix_field: Field, record: CrmRecord) -> CrmAnswer:
    """The CRM's answer to a field; ValueError for a field that the CRM does not hold."""
    if matrix_field.crm is None:
        raise ValueError(f"{matrix_field.field_id} has no check of the CRM")
    if matrix_field.crm in ("sponsor", "champion", "economic_buyer"):
        return _role(record, matrix_field.crm)
    if not record.feeds.contract_line:
        return CrmAnswer("unfed", reason="no source records contract lines")
    if not record.scope:
        return CrmAnswer("absent", reason="the CRM has no signed contract line")
    return _LINE_CHECKS[matrix_field.crm](record, matrix_field)


def _is_over(line: Row, as_of: date) -> bool:
    end = line.get("end_date")
    return end is not None and end < as_of and (line.get("start_date") is None or line["start_date"] <= end)


def _keys(lines: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    return tuple(("contract_line", str(line["contract_line_key"])) for line in lines[:10])


def _faulty(lines: Sequence[Row], *reasons: str) -> CrmAnswer | None:
    wrong = [line for line in lines if line["line_status"] == "invalid" and line.get("invalid_reason") in reasons]
    if not wrong:
        return None
    return CrmAnswer("invalid", reason="; ".join(f"{line['contract_line_key']}: {line['invalid_reason']}" for line in wrong[:5]), keys=_keys(wrong))


def _sound(record: CrmRecord) -> list[Row]:
    return [line for line in record.scope if line["line_status"] == "ok"]


def _role(record: CrmRecord, role: str) -> CrmAnswer:
    if not record.feeds.contact_role:
        return CrmAnswer("unfed", reason="no source records roles of contacts")
    held = [contact for contact in record.contacts if contact.get("role") == role]
    live = sorted((contact for contact in held if record.is_there(contact)), key=lambda contact: str(contact["contact_key"]))
    keys = tuple(("contact", str(contact["contact_key"])) for contact in live or held)
    if live:
        return CrmAnswer("ok", "; ".join(str(contact.get("full_name") or contact["contact_key"]) for contact in live), keys=keys)
    if held:
        left = max((contact["left_on"] for contact in held if contact.get("left_on")), default=None)
        names = "; ".join(str(contact.get("full_name") or contact["contact_key"]) for contact in held)
        return CrmAnswer("stale", names, f"{names} left" + (f" on {left.isoformat()}" if left else ""), keys)
    return CrmAnswer("absent", reason=f"no contact is the {role.replace('_', ' ')}")


def _products(record: CrmRecord, _field: Field) -> CrmAnswer:
    return CrmAnswer("ok", ", ".join(sorted({str(line["product"]) for line in record.scope})), keys=_keys(record.scope))


def _seats(record: CrmRecord, _field: Field) -> CrmAnswer:
    if (wrong := _faulty(record.scope, "seats missing", "negative seats")) is not None:
        return wrong
    lines = _sound(record)
    if not lines:
        return CrmAnswer("absent", reason="no sound contract line states seats")
    return CrmAnswer("ok", seats_text(lines), keys=_keys(lines))


def seats_text(lines: Sequence[Row]) -> str:
    return "; ".join(f"{product}: {number:f} seats" for product, number in by_product(lines, "seats").items())


def by_product(lines: Sequence[Row], column: str) -> dict[str, Decimal]:
    """Seats added up, or prices, by product, in the order of their names; a price that differs from line to line of a product is left out."""
    result: dict[str, Decimal] = {}
    mixed = set()
    for line in sorted(lines, key=lambda line: str(line["product"])):
        if line.get(column) is None:
            continue
        product, number = str(line["product"]), Decimal(str(line[column]))
        if column == "seats":
            result[product] = result.get(product, Decimal(0)) + number
        elif result.setdefault(product, number) != number:
            mixed.add(product)
    return {product: number for product, number in result.items() if product not in mixed}


def _unit_price(record: CrmRecord, _field: Field) -> CrmAnswer:
    if (wrong := _faulty(record.scope, "negative price")) is not None:
        return wrong
    lines = _sound(record)
    unpriced = [line for line in lines if line["seats"] and line.get("net_unit_price_annual") is None]
    if unpriced or not lines:
        return CrmAnswer("absent", reason=f"{len(unpriced)} of {len(lines)} lines have no price", keys=_keys(unpriced))
    priced = [line for line in lines if line.get("net_unit_price_annual") is not None]
    prices = "; ".join(f"{line['product']}: {Decimal(str(line['net_unit_price_annual'])):.2f} {line['currency']}" for line in priced)
    return CrmAnswer("ok", prices or "no seats to be priced", keys=_keys(lines))


def _amount(record: CrmRecord, matrix_field: Field) -> CrmAnswer:
    """The deal that was won, against the lines that it was won with."""
    if not record.feeds.opportunity:
        return CrmAnswer("unfed", reason="no source records opportunities")
    begun = record.cycle_started_on
    won = [
        deal
        for deal in record.deals
        if deal.get("opportunity_type") == "new" and deal.get("is_won") and deal.get("amount") is not None and begun and deal.get("close_date")
        and abs((deal["close_date"] - begun).days) <= DEAL_DAYS
    ]  # fmt: skip
    if not won:
        return CrmAnswer("absent", reason="no won deal is recorded for this contract")
    deal = max(won, key=lambda deal: (deal["close_date"], str(deal["opportunity_key"])))
    shown = f"{Decimal(str(deal['amount'])):.2f} {deal.get('currency') or ''}".strip()
    keys: tuple[tuple[str, str], ...] = (("opportunity", str(deal["opportunity_key"])),)
    lines = [line for line in record.lines if line["line_status"] == "ok" and line.get("start_date") == begun]
    if not lines or any(line.get("net_unit_price_annual") is None or line["currency"] != str(deal.get("currency") or "").upper() for line in lines):
        return CrmAnswer("ok", shown, "the lines cannot be added up against it", keys)
    total = sum((Decimal(str(line["seats"])) * Decimal(str(line["net_unit_price_annual"])) for line in lines), Decimal(0))
    if is_share_off(total, Decimal(str(deal["amount"])), matrix_field.tolerance):
        return CrmAnswer("invalid", shown, f"the lines come to {total:.2f} a year, the deal to {shown}", keys + _keys(lines))
    return CrmAnswer("ok", shown, keys=keys)


def _start(record: CrmRecord, _field: Field) -> CrmAnswer:
    if (wrong := _faulty(record.scope, "start date missing", "end date before start date")) is not None:
        return wrong
    lines = _sound(record)
    return CrmAnswer("ok", min(line["start_date"] for line in lines).isoformat(), keys=_keys(lines)) if lines else _no_sound_line()


def _end(record: CrmRecord, _field: Field) -> CrmAnswer:
    if (wrong := _faulty(record.scope, "end date before start date")) is not None:
        return wrong
    lines = _sound(record)
    if not lines:
        return _no_sound_line()
    ends = [line["end_date"] for line in lines if line.get("end_date")]
    if len(ends) < len(lines):
        return CrmAnswer("ok", "open-ended", keys=_keys(lines))
    last = max(ends)
    if last < record.as_of:
        return CrmAnswer("stale", last.isoformat(), f"the last line ended on {last.isoformat()}", _keys(lines))
    return CrmAnswer("ok", last.isoformat(), keys=_keys(lines))


def _no_sound_line() -> CrmAnswer:
    return CrmAnswer("absent", reason="no contract line is sound")


def _term(record: CrmRecord, matrix_field: Field) -> CrmAnswer:
    if (wrong := _faulty(record.scope, "start date missing", "end date before start date")) is not None:
        return wrong
    lines = _sound(record)
    if not lines:
        return _no_sound_line()
    for line in lines:
        months, start, end = line.get("term_months"), line["start_date"], line.get("end_date")
        if months is None or end is None:
            continue
        expected = Duration(int(months), "month").after(start) - timedelta(days=1) if months > 0 else None
        if expected is None or abs((end - expected).days) > matrix_field.tolerance:
            said = f"{line['contract_line_key']}: ends on {end.isoformat()}, and {start.isoformat()} plus {months} months is {expected.isoformat() if expected else 'no term'}"
            return CrmAnswer("invalid", span_text(line), said, _keys([line]))
    return CrmAnswer("ok", "; ".join(sorted({span_text(line) for line in lines})), keys=_keys(lines))


def span_text(line: Row) -> str:
    return f"{line['start_date'].isoformat()} to {line['end_date'].isoformat() if line.get('end_date') else 'open end'}"


def _renewal(record: CrmRecord, _field: Field) -> CrmAnswer:
    """The next term: signed, or known to come by itself. It must not begin before the line of the same product has ended."""
    lines = _sound(record)
    coming = [
        line
        for line in record.lines
        if line["line_status"] == "ok" and line["contract_status"] == "active" and (line.get("start_date") or date.min) > record.as_of
    ]
    for later in coming:
        for line in lines:
            if (
                line["product"] == later["product"]
                and line["contract_line_key"] != later["contract_line_key"]
                and line.get("end_date")
                and later["start_date"] <= line["end_date"]
            ):
                said = f"{later['contract_line_key']} begins on {later['start_date'].isoformat()}, before {line['contract_line_key']} ends on {line['end_date'].isoformat()}"
                return CrmAnswer("invalid", later["start_date"].isoformat(), said, _keys([line, later]))
    if coming:
        return CrmAnswer("ok", f"next term from {min(line['start_date'] for line in coming).isoformat()}", keys=_keys(coming))
    if lines and all(line.get("end_date") is None for line in lines):
        return CrmAnswer("ok", "open-ended", keys=_keys(lines))
    if lines and all(line.get("auto_renew") is not None for line in lines):
        return CrmAnswer("ok", "by itself" if all(line["auto_renew"] for line in lines) else "by agreement", keys=_keys(lines))
    return CrmAnswer("absent", reason="nothing says how the contract goes on")


def _notice_days(record: CrmRecord, _field: Field) -> CrmAnswer:
    lines = _sound(record)
    if not lines:
        return _no_sound_line()
    for line in lines:
        days, start, end = line.get("notice_days"), line["start_date"], line.get("end_date")
        if days is not None and (days < 0 or (end is not None and days > (end - start).days + 1)):
            return CrmAnswer("invalid", f"{days} days", f"{line['contract_line_key']}: {days} days of notice in a term from {span_text(line)}", _keys([line]))
    lacking = [line for line in lines if line.get("end_date") is not None and line.get("notice_days") is None]
    if lacking:
        return CrmAnswer("absent", reason=f"{len(lacking)} of {len(lines)} lines have no notice period", keys=_keys(lacking))
    days_known = sorted({line["notice_days"] for line in lines if line.get("notice_days") is not None})
    return CrmAnswer("ok", " and ".join(f"{days} days" for days in days_known) or "open-ended", keys=_keys(lines))


def _opt_out(record: CrmRecord, _field: Field) -> CrmAnswer:
    days = [line["opt_out_date"] for line in _sound(record) if line.get("opt_out_date")]
    if not days:
        return CrmAnswer("absent", reason="no line has an end and a notice period")
    first = min(days)
    if first < record.as_of:
        return CrmAnswer("stale", first.isoformat(), f"the deadline passed on {first.isoformat()}", _keys(_sound(record)))
    return CrmAnswer("ok", first.isoformat(), keys=_keys(_sound(record)))


def _auto_renew(record: CrmRecord, _field: Field) -> CrmAnswer:
    lines = [line for line in _sound(record) if line.get("end_date") is not None]
    if not lines:
        return CrmAnswer("ok", "open-ended") if _sound(record) else _no_sound_line()
    lacking = [line for line in lines if line.get("auto_renew") is None]
    if lacking:
        return CrmAnswer("absent", reason=f"{len(lacking)} of {len(lines)} lines do not say whether they renew", keys=_keys(lacking))
    said = {bool(line["auto_renew"]) for line in lines}
    return CrmAnswer("ok", "yes" if said == {True} else "no" if said == {False} else "some lines", keys=_keys(lines))


def _discount(record: CrmRecord, _field: Field) -> CrmAnswer:
    lines = _sound(record)
    listed = [line for line in lines if line.get("list_unit_price_annual") is not None and line.get("net_unit_price_annual") is not None]
    if not listed:
        return CrmAnswer("absent", reason="no line has both a list price and a net price")
    reduced = [line for line in listed if line["net_unit_price_annual"] < line["list_unit_price_annual"]]
    if not reduced:
        return CrmAnswer("ok", "none", keys=_keys(listed))
    undated = [line for line in reduced if line.get("discount_expires_on") is None]
    if undated:
        if "discount_expires_on" not in record.feeds.columns:
            return CrmAnswer("unfed", reason="no source records when discounts end")
        return CrmAnswer("absent", reason=f"{len(undated)} of {len(reduced)} discounted lines do not say until when", keys=_keys(undated))
    early = [line for line in reduced if line["discount_expires_on"] < line["start_date"]]
    if early:
        return CrmAnswer("invalid", reason=f"{early[0]['contract_line_key']}: the discount ends before the line begins", keys=_keys(early))
    first = min(line["discount_expires_on"] for line in reduced)
    return CrmAnswer(
        "stale" if first < record.as_of else "ok",
        f"until {first.isoformat()}",
        f"it ended on {first.isoformat()}" if first < record.as_of else "",
        _keys(reduced),
    )


def _column(column: str) -> Callable[[CrmRecord, Field], CrmAnswer]:
    def judged(record: CrmRecord, matrix_field: Field) -> CrmAnswer:
        if column not in record.feeds.columns:
            return CrmAnswer("unfed", reason=f"no source records {matrix_field.label}")
        lines = _sound(record)
        values = sorted({str(line[column]) for line in lines if line.get(column)})
        if not values:
            return CrmAnswer("absent", reason=f"no line states the {matrix_field.label}")
        return CrmAnswer("ok", ", ".join(values), keys=_keys(lines))

    return judged


_LINE_CHECKS: dict[str, Callable[[CrmRecord, Field], CrmAnswer]] = {
    "products": _products, "seats": _seats, "unit_price": _unit_price, "amount": _amount, "start": _start, "end": _end, "term": _term, "renewal": _renewal,
    "notice_days": _notice_days, "opt_out": _opt_out, "auto_renew": _auto_renew, "discount": _discount, "sla_tier": _column("sla_tier"),
    "billing": _column("billing_frequency"),
}  # fmt: skip
