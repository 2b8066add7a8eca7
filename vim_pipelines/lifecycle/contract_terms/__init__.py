"""Contract terms by rule, without any model: what the text says beyond doubt, with the words that say it, and open for everything else.

`extract_terms(text)` answers for every one of `FIELDS`. Rules are regular expressions over one normalised line (`reading.py`); every
pattern has bounded repetition, so that no text can make it hang.
"""

from __future__ import annotations

from vim_pipelines.lifecycle.contract_terms import renewal, term
from vim_pipelines.lifecycle.contract_terms.effective import effective_date
from vim_pipelines.lifecycle.contract_terms.points import Calendar
from vim_pipelines.lifecycle.contract_terms.reading import Reading
from vim_pipelines.lifecycle.contract_terms.seats import seats
from vim_pipelines.lifecycle.contract_terms.terms import FIELDS, PERPETUAL, Duration, Extracted, Field, Perpetual, Renewal

__all__ = ["FIELDS", "PERPETUAL", "RULES_VERSION", "Duration", "Extracted", "Field", "Perpetual", "Renewal", "extract_terms"]

#: Changes with every change of a rule, so that a stored answer can be told from one of newer rules.
RULES_VERSION = "1"


def extract_terms(text: str) -> dict[Field, Extracted]:
    """One `Extracted` for each of `FIELDS`, whatever the text; pure, and never an error."""
    reading = Reading(text)
    calendar = Calendar(reading)
    clauses = term.clauses(calendar)
    effective = effective_date(calendar, clauses)
    expiration, length = term.decide(calendar, clauses, effective)
    renewal_term, notice, auto_renew = renewal.decide(reading, length)
    answers = [calendar.agreement_date, effective, expiration, length, renewal_term, notice, auto_renew, seats(reading)]
    by_field = {answer.field: answer for answer in answers}
    return {field: by_field[field] for field in FIELDS}
