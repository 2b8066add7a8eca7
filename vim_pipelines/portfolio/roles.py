"""The roles of a portfolio file, said once there and written out here as ordinary field rules.

Ingestion, the telemetry's SQL and the fingerprint of a mapping then need to know nothing of roles: a word that is moved from
champion to sponsor changes the mapping, and so old rows are read again.
"""

from __future__ import annotations

from typing import get_args

from vim_pipelines.portfolio.model import ContactRole, EntityMap, FieldRule, Portfolio, Roles, Scalar, as_word


def with_roles(portfolio: Portfolio) -> dict[str, EntityMap]:
    """The portfolio's entities with its roles written out as rules of contact.role, account.csm_email, csm_name and director_email."""
    entities = dict(portfolio.entities)
    contact, account = entities.get("contact"), entities.get("account")
    if contact is not None and portfolio.roles.contacts and "role" in contact.fields:
        entities["contact"] = _with_fields(contact, {"role": _role_rule(contact.fields["role"], portfolio.roles)})
    if account is not None and portfolio.roles.people:
        entities["account"] = _with_fields(account, _people_rules(account, portfolio.roles))
    return entities


def _role_rule(rule: FieldRule, roles: Roles) -> FieldRule:
    """Listed words to their role, our own words to themselves, an empty field stays empty, all else is 'other': nobody is lost for an unusual word."""
    words: dict[str, Scalar] = {"": None}
    words.update((role, role) for role in get_args(ContactRole))
    words.update((word, role) for role, listed in roles.contacts.items() for word in listed)
    return _rule(rule.field, words, "other")


def _people_rules(account: EntityMap, roles: Roles) -> dict[str, FieldRule]:
    csms = {mail: person for mail, person in roles.people.items() if person.role == "csm"}
    found: dict[str, FieldRule] = {}
    owner = account.fields.get("owner_email")
    if "csm_email" not in account.fields and owner is not None and owner.field and csms:
        found["csm_email"] = _rule(owner.field, {as_word(mail): mail for mail in csms}, None)
    csm = account.fields.get("csm_email") or found.get("csm_email")
    if csm is None or not csm.field:
        return found
    if "csm_name" not in account.fields and any(person.name for person in csms.values()):
        found["csm_name"] = _rule(csm.field, {as_word(mail): person.name for mail, person in csms.items()}, None)
    if "director_email" not in account.fields and any(person.reports_to for person in csms.values()):
        found["director_email"] = _rule(csm.field, {as_word(mail): person.reports_to for mail, person in csms.items()}, None)
    return found


def _rule(field: str | None, words: dict[str, Scalar], otherwise: Scalar) -> FieldRule:
    return FieldRule(field=field, map=words, otherwise=otherwise)


def _with_fields(mapping: EntityMap, rules: dict[str, FieldRule]) -> EntityMap:
    return mapping.model_copy(update={"fields": mapping.fields | rules})
