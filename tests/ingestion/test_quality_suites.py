"""suites.yaml: what it says is checked on load, with lines, and what is accepted can be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from vim_pipelines.core.errors import VimError
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import USAGE
from vim_pipelines.quality.suites import PATH, load_suites

WRONG = [
    ("  contract_line:\n", "  contract_lines:\n", "there is no entity 'contract_lines'; did you mean 'contract_line'?"),
    ("{column: seats, min_value: 0,", "{column: seat, min_value: 0,", "there is no column 'seat' to judge per row; did you mean 'seats'?"),
    ("{column: null_event_ids,", "{column: null_events,", "there is no column 'null_events' to judge per table"),
    ("expectation: expect_column_values_to_match_regex", "expectation: expect_column_values_to_match_regexp", "has no 'expect_column_values_to_match_regexp'; did you mean"),
    ("severity: warning", "severity: warn", "there is no severity 'warn'; did you mean 'warning'?"),
    ("scope: account\n", "scope: acount\n", "there is no scope 'acount'; did you mean 'account'?"),
    ("{column: rate, min_value: 0, strict_min: true}", "{column: rate, minimum: 0}", "minimum extra fields not permitted"),
    ("      says: no survey has such a score\n", "", "a gate needs `says`"),
    ("      says: no survey has such a score\n", "      says: x\n      sais: y\n", "a gate has no `sais`"),
    ("accounts_held_share: 0.10", "accounts_held_share: 10", "`accounts_held_share` is 10; it must be a number from 0 to 1"),
    ("keep_runs: 30", "keep_runs: 0", "`keep_runs` is 0"),
    ("gate: price_is_not_negative", "gate: seats_are_believable", "contract_line has the gate 'seats_are_believable' twice"),
    ("expectation: expect_column_values_to_be_between\n      arguments: {column: score, min_value: -100", "expectation: expect_column_max_to_be_between\n      arguments: {column: score, min_value: -100", "judges a table as a whole"),
]  # fmt: skip


def read(tmp_path: Path, text: str):
    file = tmp_path / "suites.yaml"
    file.write_text(text)
    return load_suites(file)


def test_the_shipped_suites_cover_every_entity():
    book = load_suites()
    assert set(book.gates) == {*ENTITIES, USAGE}
    for entity, gates in book.gates.items():
        assert any(gate.severity == "blocking" for gate in gates) and all(gate.says for gate in gates), entity
    assert {gate.scope for gates in book.gates.values() for gate in gates} == {"table", "account", "row"}


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_a_mistake_is_answered_with_its_line(tmp_path, old: str, new: str, said: str):
    text = PATH.read_text()
    assert old in text
    with pytest.raises(VimError) as caught:
        read(tmp_path, text.replace(old, new, 1))
    assert caught.value.code == "VIM-E005" and said in str(caught.value)


def test_the_line_is_the_line_of_the_gate_and_every_mistake_is_named(tmp_path):
    text = PATH.read_text().replace("{column: seats, min_value: 0,", "{column: seat, min_value: 0,").replace("{column: reopen_count,", "{column: reopened,")
    lines = text.splitlines()
    gates = [next(n for n, line in enumerate(lines, 1) if f"gate: {name}" in line) for name in ("seats_are_believable", "reopened_is_not_negative")]
    with pytest.raises(VimError) as caught:
        read(tmp_path, text)
    assert all(f"line {line}: " in str(caught.value) for line in gates)


def test_a_blocking_gate_on_rows_needs_an_account_to_hold(tmp_path):
    """An exchange rate belongs to nobody: a blocking gate on its rows would have to stop everybody or do nothing."""
    text = PATH.read_text()
    place = text.index("gate: rate_is_positive")
    with pytest.raises(VimError, match="names no account that could be held"):
        read(tmp_path, text[:place] + text[place:].replace("severity: warning", "severity: blocking", 1))


def test_a_blocking_gate_on_rows_lets_no_share_of_them_through(tmp_path):
    with pytest.raises(VimError, match="would leave some of them in"):
        read(tmp_path, PATH.read_text().replace("max_value: 10000000}", "max_value: 10000000, mostly: 0.9}"))
