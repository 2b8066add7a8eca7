"""The score of the contract terms: how an answer is judged, on rows written here, and the bar on the real contracts."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.contract_terms import BAR, COLUMNS, Contract, judge, lawyers_answer, page_rows, read_contracts, score, score_lines
from vim_pipelines.lifecycle.contract_terms import PERPETUAL, Duration, Extracted, Renewal

MADE = "This Agreement is made as of March 1, 2019 by and between A Corp. and B Corp. WHEREAS they agree."


def contract(**cells: tuple[str, str]) -> Contract:
    return Contract("a.pdf", MADE, {name: cells.get(name, ("", "")) for name in COLUMNS})


def said(field, value, quote="the words"):
    return Extracted(field, "found" if value is not None else "open", value, quote, 0, len(quote), "stated")


@pytest.mark.parametrize(
    ("field", "cell", "expected"),
    [
        ("agreement_date", "3/1/19", (date(2019, 3, 1), True)),
        ("agreement_date", "12/31/99", (date(1999, 12, 31), True)),
        ("expiration_date", "9/1/45", (date(2045, 9, 1), True)),
        ("expiration_date", "Perpetual", (PERPETUAL, True)),
        ("agreement_date", "[]/[]/2020", (None, False)),
        ("expiration_date", "09/05/2019; perpetual", (None, False)),
        ("renewal_term", "sucessive 1 year", (Duration(1, "year"), True)),
        ("renewal_term", "2 successive 5 years", (Duration(5, "year"), True)),
        ("renewal_term", "0.5 year", (Duration(6, "month"), True)),
        ("notice_period", "60) days", (Duration(60, "day"), True)),
        ("notice_period", "60 days; 180 days", (None, False)),
        ("notice_period", "", (None, False)),
    ],
)
def test_the_lawyers_cell_is_read(field, cell, expected):
    assert lawyers_answer(field, cell) == expected


@pytest.mark.parametrize(
    ("field", "cells", "value", "verdict"),
    [
        ("agreement_date", ("", "3/1/19"), date(2019, 3, 1), "right"),
        ("agreement_date", ("", "3/1/19"), date(2019, 3, 2), "wrong"),
        ("agreement_date", ("", "3/1/19"), None, "open"),
        ("agreement_date", ("", "[]/[]/2019"), None, "rightly open"),
        ("agreement_date", ("", "[]/[]/2019"), date(2019, 3, 1), "wrong"),
        ("agreement_date", ("[]", ""), date(2019, 3, 1), "wrong"),
        ("expiration_date", ("['It continues until the words, two years from now, are said.']", ""), date(2019, 3, 1), "not judged"),
        ("expiration_date", ("", "perpetual"), PERPETUAL, "right"),
        ("expiration_date", ("", "perpetual"), date(2019, 3, 1), "wrong"),
        ("expiration_date", ("", "3/1/19"), PERPETUAL, "wrong"),
        ("renewal_term", ("", "1 year"), Renewal(Duration(12, "month"), True), "right"),
        ("renewal_term", ("", "30 days"), Renewal(Duration(1, "month"), True), "wrong"),
        ("notice_period", ("", "60 days"), Duration(90, "day"), "wrong"),
    ],
)
def test_an_answer_is_right_wrong_or_open(field, cells, value, verdict):
    assert judge(contract(**{field: cells}), field, said(field, value)).verdict == verdict


def folder(tmp_path: Path, answer: str) -> Path:
    (tmp_path / "full_contract_txt").mkdir()
    (tmp_path / "full_contract_txt" / "ACME_CO - Agreement.txt").write_text(MADE)
    columns = ["Filename", *(column for pair in COLUMNS.values() for column in pair)]
    with (tmp_path / "master_clauses_dev.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerow(dict.fromkeys(columns, "") | {"Filename": "ACME&CO - Agreement .PDF", "Agreement Date-Answer": answer})
    return tmp_path


def test_names_that_differ_between_table_and_texts_are_matched(tmp_path):
    assert [one.text for one in read_contracts(folder(tmp_path, "3/1/19"))] == [MADE]


def test_a_missing_folder_says_what_is_missing(tmp_path):
    with pytest.raises(VimError) as caught:
        read_contracts(tmp_path)
    assert caught.value.code == "VIM-E018" and "--contracts" in str(caught.value)


def test_the_command_fails_where_the_bar_is_missed(tmp_path, monkeypatch):
    """A score that is printed and never fails is read once."""
    monkeypatch.setenv("VIMOTION_HOME", str(tmp_path / "home"))
    run = CliRunner().invoke(main, ["evals", "--only", "contract-terms", "--contracts", str(folder(tmp_path, "3/2/19")), "--show-wrong"])
    assert run.exit_code == 1
    assert "MISSED" in run.output and "said 2019-03-01, lawyers 3/2/19" in run.output


def test_the_command_holds_where_the_bar_is_met(tmp_path, monkeypatch):
    monkeypatch.setenv("VIMOTION_HOME", str(tmp_path / "home"))
    run = CliRunner().invoke(main, ["evals", "--only", "contract-terms", "--contracts", str(folder(tmp_path, "3/1/19")), "--json"])
    assert run.exit_code == 0
    pooled = json.loads(run.output)["all"][-1]
    assert (pooled["right"], pooled["wrong"], pooled["answerable"]) == (1, 0, 1)


def test_the_bar_on_real_contracts(shared_data):
    """Lawyers' answers to 157 filed contracts: wrong at most 5 % of answered, and most of what can be answered answered right."""
    path = shared_data / "cuad_contracts"
    if not path.is_dir():
        pytest.skip("the labelled contracts (../shared/data/cuad_contracts) are not on this machine")
    result = score(read_contracts(path))
    pooled = result.rows()[-1]
    report = "\n".join(score_lines(result, show_wrong=True))
    assert result.contracts == 157 and pooled.answerable > 350
    assert pooled.wrong_share <= BAR, report
    assert pooled.right_share >= 0.75, report
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "contract-terms.md").read_text()
    rows = page_rows([*result.rows(), *(result.rows(part)[-1] for part in ("development", "check", "unread"))])
    assert [row for row in rows if row not in page] == [], "the page's figures are old; the rows above are the new ones"
