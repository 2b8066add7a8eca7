"""The list of erased persons: what it recognises, and what it must leave alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.core.suppression import ANYWHERE, CONTACT, TOKEN, USER, Suppression, check_of, entries_of, is_distinctive, key_of

KEY = key_of(b"k" * 32)


KEYS = {USER: ("USR-990017", "51", "44500017"), CONTACT: ("52",)}


def of(*, names=("Ana Li",), accounts=("ACC-1",)) -> Suppression:
    return Suppression(KEY, entries_of(KEY, mails=("ana.li@acme.example",), keys=KEYS, names=names, accounts=accounts))


@pytest.mark.parametrize(
    "text",
    [
        "ana.li@acme.example",
        "Mail ANA.LI@ACME.EXAMPLE.",
        "<ana.li@acme.example>, others",
        '{"email": "ana.li@acme.example"}',
        "asked Ana Li, then",
        "Li, Ana",
        "ana\nli",
        "user usr-990017 left",
    ],
)
def test_a_person_is_recognised_however_they_are_written(text):
    cleaned = of().clean(text, account="ACC-1")
    assert TOKEN in cleaned and "ana" not in cleaned.casefold().replace(TOKEN, "") and "990017" not in cleaned


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("Ana Li", "ACC-2"),
        ("Ana Lind and Diana Li", "ACC-1"),
        ("b.ana.li@acme.example", "ACC-9"),
        ("ana.li@acme.example.org", "ACC-9"),
        ("51 seats of 51", "ACC-1"),
        ("USR-9900178", "ACC-1"),
        ("Ana said that Li is away", "ACC-1"),
        ("", "ACC-1"),
    ],
)
def test_others_are_left_alone(text, account):
    """The same name at another customer, a longer address, a number that is also somebody's key."""
    suppression = of()
    assert suppression.clean(text, account=account) is text


def test_a_short_key_is_replaced_in_columns_of_keys_only():
    suppression = of()
    assert suppression.clean("51", column="user_key") == suppression.token_of_key("51")
    found = suppression.clean_value({"user_key": "51", "contact_key": "51", "seats": "51", "list": ["51"]})
    assert found == {"user_key": suppression.token_of_key("51"), "contact_key": "51", "seats": "51", "list": ["51"]}, "contact 51 is somebody else"
    assert suppression.clean("44500017", column="ticket_key") == "44500017" and TOKEN in suppression.clean("asked by 44500017", column="body")
    assert not is_distinctive("51") and not is_distinctive("admin") and is_distinctive("USR-990017")


def test_a_name_of_one_word_is_compared_with_whole_values_only():
    """'Cher' beside a verb is a word; as a contact's whole name it is a person."""
    suppression = of(names=("Cher",))
    assert suppression.clean("cher", account="ACC-1").startswith(TOKEN)
    assert suppression.clean("Cher ami", account="ACC-1") == "Cher ami"


def test_a_colleague_is_meant_at_every_account():
    assert TOKEN in of(accounts=(ANYWHERE,)).clean("Ana Li", account="ACC-7")


def test_without_the_key_nobody_is_recognised():
    """Whoever steals the list cannot try addresses against it."""
    stolen = Suppression(key_of(b"x" * 32), entries_of(KEY, mails=["ana.li@acme.example"], keys={}, names=[], accounts=[]))
    assert stolen.clean("ana.li@acme.example") == "ana.li@acme.example"
    assert check_of(KEY) != check_of(key_of(b"x" * 32))


@given(before=st.text(alphabet="ab ,.\n(", max_size=12), after=st.text(alphabet="ab ,)\n", max_size=12))
def test_cleaning_twice_is_cleaning_once_and_the_rest_of_the_text_stays(before, after):
    suppression = of()
    text = f"{before} ana.li@acme.example {after}"
    cleaned = suppression.clean(text, account="ACC-1")
    assert suppression.clean(cleaned, account="ACC-1") == cleaned
    assert cleaned.startswith(before) and cleaned.endswith(after) and "acme" not in cleaned


def test_an_empty_list_changes_nothing():
    assert not Suppression(KEY)
    assert Suppression(KEY).clean("ana.li@acme.example") == "ana.li@acme.example"
