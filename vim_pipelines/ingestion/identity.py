"""Whose event is it? The ladder from an explicit organisation id down to a table that somebody wrote by hand.

An event without an account is in no account's figures, so every rung that is skipped looks like a customer who stopped working; an
event with the wrong account is worse. So each rung attributes only where it names exactly one account, a person known at two customers
is not guessed from the domain of the mail address, and the rung is kept with the row (`raw.usage_events.attributed_by`).

The rungs, strongest first (CONNECTORS section 5, with the vendor's own licence assignments after the explicit id):
org_id, licence, contact_email, domain, billing_id, manual.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vim_pipelines.ingestion.files import link_rows
from vim_pipelines.ingestion.telemetry_sql import literal
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE_MAPPED, EntityMap, Portfolio

if TYPE_CHECKING:
    from vim_pipelines.warehouse import Session

RUNGS = ("org_id", "licence", "contact_email", "domain", "billing_id", "manual")
#: A match with several accounts attributes nothing and is told as this and the rung's name.
AMBIGUOUS = "ambiguous_"
#: Join rates below which a load is told of, and below which nothing computed from it may claim more than low confidence.
NOTE_BELOW, LOW_BELOW = 0.90, 0.80
#: Kinds of links that a rung reads, beside what the CRM says.
LINK_KINDS = ("org_id", "domain", "billing_id", "user", "email")

Confidence = Literal["ok", "note", "low", "unknown"]


def join_confidence(join_rate: float | None) -> Confidence:
    """What may be claimed on events of which this share has an account."""
    if join_rate is None:
        return "unknown"
    return "low" if join_rate < LOW_BELOW else "note" if join_rate < NOTE_BELOW else "ok"


@cache
def free_mail_domains() -> frozenset[str]:
    """Domains at which anybody can have an address: they never name a company."""
    lines = (Path(__file__).with_name("free_mail_domains.txt")).read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def identity_links(portfolio: Portfolio) -> list[dict[str, object]]:
    """Rows of raw.identity_links as the portfolio's tables state them now; keys as they are compared, rows without key or account left out."""
    found: set[tuple[str, str, str, str]] = set()
    for link in portfolio.identity.links:
        for key, account in link_rows(portfolio, link):
            key = key.strip().casefold() if link.kind in ("email", "domain") else key.strip()
            if key and account.strip():
                found.add((link.kind, key, account.strip(), link.source))
    return [{"kind": kind, "link_key": key, "account_key": account, "source_name": source} for kind, key, account, source in sorted(found)]


def known_rungs(session: Session, mapping: EntityMap) -> frozenset[str]:
    """What the ladder can stand on: rungs (and `org_links`) that have both something in the event to ask with and rows to answer from."""
    held = {row["kind"] for row in session.rows("select distinct kind from raw.identity_links")}
    asked = {"user": "user_key" in mapping.fields, "mail": bool({"user_email", "user_key"} & mapping.fields.keys()), "billing": "billing_id" in mapping.fields}
    found = set()
    if "org_id" in held:
        found.add("org_links")
    if asked["user"] and _has_rows(session, "raw.license_assignments"):
        found.add("licence")
    if asked["mail"] and _has_rows(session, "raw.contacts", "email is not null"):
        found.add("contact_email")
    if asked["mail"] and ("domain" in held or _has_rows(session, "raw.accounts", "domain is not null")):
        found.add("domain")
    if asked["billing"] and "billing_id" in held:
        found.add("billing_id")
    if (asked["user"] and "user" in held) or (asked["mail"] and "email" in held):
        found.add("manual")
    return frozenset(found)


def attributed_sql(events: str, rungs: Collection[str], extra_free_mail: Sequence[str] = ()) -> str:
    """A query over relation `events` (event columns and filename) that gives the canonical columns with the account found, `filename` and `attributed_by`.

    Only rows without an explicit account are asked further: their keys are NULL otherwise, and a join of NULLs costs next to nothing.
    """
    joins: list[str] = []
    if "org_links" in rungs:
        # The product's own ids stand in the events: one that is neither linked nor an account is no account's.
        joins.append(f"left join ({_links('org_id')}) as org on org.link_key = events.account_key")
        joins.append("left join (select distinct account_key from raw.accounts where not is_deleted) as known on known.account_key = events.account_key")
        explicit = "case when org.accounts = 1 then org.account_key when org.accounts is null then known.account_key end"
        ambiguous_org = "coalesce(org.accounts > 1, false)"
    else:
        explicit, ambiguous_org = "events.account_key", "false"
    mail = "lower(trim(coalesce(events.user_email, case when events.user_key like '%@%' then events.user_key end)))"
    asked = (
        f"select events.*, {explicit} as explicit_account, {ambiguous_org} as is_ambiguous_org,"
        f" case when {explicit} is null then events.user_key end as asked_user,"
        f" case when {explicit} is null then {mail} end as asked_mail,"
        f" case when {explicit} is null then events.billing_id end as asked_billing"
        f" from {events} as events {' '.join(joins)}"
    )
    maps, joined = _maps(rungs, extra_free_mail), []
    for rung, (relation, key) in maps.items():
        joined.append(f"left join ({relation}) as {rung} on {rung}.link_key = {key}")
    person = " or ".join(f"coalesce({rung}.accounts > 1, false)" for rung in ("licence", "contact_email") if rung in maps) or "false"
    answers: list[tuple[str, str, str]] = [("org_id", "explicit_account is not null", "explicit_account")]
    for rung in maps:
        condition = f"{rung}.accounts = 1" + (f" and not ({person})" if rung in ("contact_email", "domain") else "")
        answers.append((rung.removesuffix("_mail"), condition, f"{rung}.account_key"))
    account = " ".join(f"when {condition} then {value}" for _, condition, value in answers)
    by = " ".join(f"when {condition} then {literal(rung)}" for rung, condition, _ in answers)
    doubt = [("org_id", "is_ambiguous_org"), *((rung.removesuffix("_mail"), f"{rung}.accounts > 1") for rung in maps)]
    several = " ".join(f"when {condition} then {literal(AMBIGUOUS + rung)}" for rung, condition in doubt)
    columns = [f"case {account} end as account_key" if column.name == "account_key" else f"asked.{column.name}" for column in USAGE_MAPPED]
    return f"select {', '.join(columns)}, asked.filename, case {by} {several} end as attributed_by from ({asked}) as asked {' '.join(joined)}"


def attribution_rows(counts: Mapping[str | None, int]) -> list[dict[str, object]]:
    """What one load's events owe to which rung: a row per rung that is met, `none` for rows that nothing named, with shares and join rate.

    `counts` is the number of added events by `attributed_by`.
    """
    total = sum(counts.values())
    if not total:
        return []
    joined = sum(count for by, count in counts.items() if by in RUNGS)
    order = {rung: index for index, rung in enumerate([*RUNGS, *(AMBIGUOUS + rung for rung in RUNGS)])}
    return [
        {"rung": by or "none", "rows_added": count, "share": count / total, "join_rate": joined / total, "confidence": join_confidence(joined / total)}
        for by, count in sorted(counts.items(), key=lambda item: order.get(item[0] or "", len(order)))
    ]


def _maps(rungs: Collection[str], extra_free_mail: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Per rung a relation (link_key, account_key, accounts) and the key to ask it with; `accounts` above 1 is an ambiguous one."""
    free = ", ".join(literal(domain) for domain in sorted(free_mail_domains() | {name.strip().casefold() for name in extra_free_mail}))
    maps: dict[str, tuple[str, str]] = {}
    if "licence" in rungs:
        maps["licence"] = (_counted("select user_key as link_key, account_key from raw.license_assignments where not is_deleted"), "asked.asked_user")
    if "contact_email" in rungs:
        maps["contact_email"] = (_counted(f"select lower(trim(email)) as link_key, account_key from {_current('contact')}"), "asked.asked_mail")
    if "domain" in rungs:
        host = "split_part(regexp_replace(lower(trim(domain)), '^(https?://)?(www[.])?', ''), '/', 1)"
        listed = f"select {host} as link_key, account_key from {_current('account')} union all select link_key, account_key from raw.identity_links where kind = 'domain'"
        maps["domain"] = (_counted(f"select * from ({listed}) as listed where link_key not in ({free})"), "split_part(asked.asked_mail, '@', 2)")
    if "billing_id" in rungs:
        maps["billing_id"] = (_links("billing_id"), "asked.asked_billing")
    if "manual" in rungs:
        maps["manual"] = (_links("user"), "asked.asked_user")
        maps["manual_mail"] = (_links("email"), "asked.asked_mail")
    return maps


def _links(kind: str) -> str:
    return _counted(f"select link_key, account_key from raw.identity_links where kind = {literal(kind)}")


def _counted(pairs: str) -> str:
    return (
        "select link_key, min(account_key) as account_key, count(distinct account_key) as accounts"
        f" from ({pairs}) as pairs where link_key <> '' and account_key is not null group by link_key"
    )


def _current(entity: str) -> str:
    shape = ENTITIES[entity]
    newest = f"select * from raw.{shape.table} qualify row_number() over (partition by {shape.key} order by known_at desc, captured_at desc, load_id desc) = 1"
    return f"(select * from ({newest}) as newest where not is_deleted) as current_{shape.table}"


def _has_rows(session: Session, table: str, condition: str = "true") -> bool:
    return bool(session.rows(f"select 1 as there from {table} where {condition} limit 1"))
