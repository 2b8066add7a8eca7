"""Whatever the text, the reading of contracts ends, raises nothing and quotes what stands there."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vim_pipelines.lifecycle.contract_terms import FIELDS, extract_terms

#: Pieces that the rules look for, so that random texts reach every branch.
PIECES = [
    "This Agreement", "the term of this Agreement", '"Term"', "the Initial Term", "shall commence on", "shall continue until", "for a period of", "unless terminated",
    "the Effective Date", '(the "Effective Date")', '"Effective Date" means', '"Commencement Date" means', "the Commencement Date", "the date hereof", "the date first written above", "is made as of", "dated", "May 5, 2005",
    "the 31st day of February, 2005", "5/5/05", "1.2.2003", "____ day of May 2005", "[ ], 2020", "9999-12-31", "December 31, 2099", "three (3) years", "thirty (60) days", "9999 years", "sixty (60) days",
    "prior written notice", "automatically renew", "successive", "additional", "periods", "perpetual", "until terminated", "thereafter", "the second anniversary of", "the 99th anniversary of", "earlier of",
    "IN WITNESS WHEREOF", "By: /s/ A", "Date:", "Number of Users:", "up to", "250", "named users", "seats", "WHEREAS", "Source: X, 10-K, 1/1/2001", ".", ";", ",", "(", ")", '"', "\n\n\n", "  ", "\u0130", "\u2019", "\u2014",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=60).map(" ".join)


@settings(max_examples=250, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_every_answer_quotes_the_text_at_its_offsets(text):
    """An answer that cannot be shown in the contract is worth nothing to the person who must trust it."""
    answers = extract_terms(text)
    assert tuple(answers) == FIELDS
    for answer in answers.values():
        assert (answer.status == "found") == (answer.value is not None)
        assert answer.reason
        if answer.status == "found":
            assert answer.quote
        if answer.quote is not None:
            assert answer.start is not None and answer.end is not None
            assert answer.quote == text[answer.start : answer.end]
        else:
            assert answer.start is None and answer.end is None


@settings(max_examples=50, deadline=2000)
@given(TEXTS)
def test_the_same_text_gives_the_same_answers(text):
    assert extract_terms(text) == extract_terms(text)


@settings(max_examples=80, deadline=2000)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_how_lines_are_broken_changes_no_answer(pieces):
    """Filed contracts break lines anywhere: the words decide, not the page."""
    pieces = [piece.strip() for piece in pieces if piece.strip() and not piece.startswith("Source: ")]
    values = [{field: (answer.status, answer.value) for field, answer in extract_terms(text).items()} for text in (" ".join(pieces), "\n   ".join(pieces))]
    assert values[0] == values[1]


HOSTILE = {
    "blanks": " " * 300_000,
    "line breaks": "\n" * 300_000,
    "underscores": "_ " * 150_000,
    "brackets": "[ " * 150_000,
    "quotes": '"' * 300_000,
    "open brackets": "(" * 300_000,
    "stops": ". " * 150_000,
    "digits": "1" * 300_000,
    "one word": "a" * 300_000,
    "this agreement": "this agreement " * 20_000,
    "the term of this": "the term of this " * 18_000,
    "effective date": '"effective date" ' * 18_000,
    "the term shall": "the term shall be for a period of " * 9_000,
    "renew": "this agreement shall renew for additional " * 7_000,
    "one": "one hundred and " * 19_000,
    "dates": "as of May 5, 2005, dated " * 12_000,
    "date:": "date: ____ by: " * 20_000,
    "witness": "in witness whereof as of this day of " * 8_000,
    "unless": "this agreement shall continue unless terminated earlier and " * 5_000,
    "source": "Source: " * 37_000,
    "users": "number of users is 5 users " * 11_000,
    "until": "the term of this agreement shall commence on the date and continue until the end of " * 3_500,
    "thereafter": "this agreement shall continue thereafter until notice and thereafter " * 4_000,
    "commencement": "the Commencement Date shall be the Commencement Date " * 5_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_of_a_hundred_pages_takes_no_more_than_seconds(name):
    """Rules that look back and forth over a long line can take hours; 300,000 characters are a contract of about 100 pages."""
    started = time.process_time()
    extract_terms(HOSTILE[name])
    assert time.process_time() - started < 4.0
