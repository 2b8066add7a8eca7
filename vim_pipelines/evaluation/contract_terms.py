"""How well contract terms are read by rule: real contracts, with what lawyers wrote down, against `lifecycle.contract_terms`.

The data is CUAD v1 (The Atticus Project, CC BY 4.0): commercial contracts filed with the SEC. It is read from a folder by path, nothing of it
is kept here. How an answer is judged stands in `judge`, and in docs/reference/contract-terms.md in a reader's words.
"""

from __future__ import annotations

import csv
import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.intervals import wilson
from vim_pipelines.lifecycle.contract_terms import PERPETUAL, Duration, Extracted, Field, Perpetual, Renewal, extract_terms
from vim_pipelines.lifecycle.contract_terms.durations import lengths

#: Wrong answers that are borne, as a share of the answers given, pooled over the fields.
BAR = 0.05
ANSWERS = "master_clauses_dev.csv"
TEXTS = "full_contract_txt"
#: Our field, the lawyers' column with the clause, and the one with the answer (one of them has a blank in its name).
COLUMNS: dict[Field, tuple[str, str]] = {
    "agreement_date": ("Agreement Date", "Agreement Date-Answer"),
    "effective_date": ("Effective Date", "Effective Date-Answer"),
    "expiration_date": ("Expiration Date", "Expiration Date-Answer"),
    "renewal_term": ("Renewal Term", "Renewal Term-Answer"),
    "notice_period": ("Notice Period To Terminate Renewal", "Notice Period To Terminate Renewal- Answer"),
}

Said = date | Duration | Perpetual | None
Verdict = Literal["right", "wrong", "open", "rightly open", "not judged"]
#: The half that the rules were written on; the half that checks them; and the part of that one of which no text was ever read meanwhile.
Part = Literal["development", "check", "unread"]


@dataclass(frozen=True)
class Contract:
    """One contract and the lawyers' (clauses, answer) for each field."""

    name: str
    text: str
    cells: dict[Field, tuple[str, str]]

    @property
    def parts(self) -> frozenset[Part]:
        """The parts of the set it belongs to: even and odd first bytes of the name's SHA-256 are the halves; the first three odd is unread."""
        odd = [byte % 2 == 1 for byte in hashlib.sha256(self.name.encode()).digest()[:3]]
        return frozenset({"check", "unread"} if all(odd) else {"check"} if odd[0] else {"development"})


@dataclass(frozen=True)
class Judged:
    """One answer beside the lawyers'."""

    contract: str
    parts: frozenset[Part]
    field: Field
    said: Extracted
    lawyers: str
    is_answerable: bool
    verdict: Verdict
    why: str = ""
    #: Whether 'successive' agrees too; None where there is no length to compare.
    is_successive_right: bool | None = None


@dataclass(frozen=True)
class Row:
    """The score of one field, or of all pooled. `wrong` counts among `answered`, `open` among `answerable`; answers not judged are in neither."""

    field: str
    answerable: int
    answered: int
    right: int
    wrong: int
    left_open: int
    not_judged: int

    @property
    def wrong_share(self) -> float:
        """Wrong of answered; 0 without answers."""
        return self.wrong / self.answered if self.answered else 0.0

    @property
    def right_share(self) -> float:
        """Right of answerable; 0 without any."""
        return self.right / self.answerable if self.answerable else 0.0

    def as_json(self) -> dict[str, Any]:
        """The row with its shares and their 95 % Wilson intervals."""
        return {
            "field": self.field,
            "answerable": self.answerable,
            "answered": self.answered,
            "right": self.right,
            "wrong": self.wrong,
            "left_open": self.left_open,
            "not_judged": self.not_judged,
            "wrong_of_answered": self.wrong_share,
            "wrong_of_answered_95": wilson(self.wrong, self.answered),
            "right_of_answerable": self.right_share,
            "right_of_answerable_95": wilson(self.right, self.answerable),
        }


@dataclass(frozen=True)
class Score:
    """All answers judged, and how long the reading took."""

    judged: list[Judged]
    contracts: int
    seconds: float
    slowest_seconds: float

    def rows(self, part: Part | None = None) -> list[Row]:
        """One row for each field, then all pooled; of one part or of all."""
        chosen = [one for one in self.judged if part is None or part in one.parts]
        return [*(_row(name, [one for one in chosen if one.field == name]) for name in COLUMNS), _row("pooled", chosen)]

    @property
    def is_met(self) -> bool:
        """Whether the bar is held: wrong at most `BAR` of answered, all fields and contracts pooled, and something answered at all."""
        pooled = self.rows()[-1]
        return pooled.answered > 0 and pooled.wrong_share <= BAR

    @property
    def wrong(self) -> list[Judged]:
        """The wrong answers."""
        return [one for one in self.judged if one.verdict == "wrong"]

    def as_json(self) -> dict[str, Any]:
        """The tables, the wrong answers, and whether the bar is held."""
        return {
            "contracts": self.contracts,
            "bar": BAR,
            "is_met": self.is_met,
            "all": [row.as_json() for row in self.rows()],
            "development": [row.as_json() for row in self.rows("development")],
            "check": [row.as_json() for row in self.rows("check")],
            "unread": [row.as_json() for row in self.rows("unread")],
            "successive_agrees": successive_agrees(self.judged),
            "seconds": self.seconds,
            "slowest_seconds": self.slowest_seconds,
            "wrong": [
                {"contract": one.contract, "parts": sorted(one.parts), "field": one.field, "said": one.said.value_text, "lawyers": one.lawyers, "why": one.why}
                for one in self.wrong
            ],
        }


# -- the lawyers' table ----------------------------------------------------------------------------------------------------


def default_folder() -> Path:
    """Where the contracts are on a machine that has the third-party data beside the checkout."""
    return Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cuad_contracts"


def read_contracts(folder: Path) -> list[Contract]:
    """The contracts of a folder with `master_clauses_dev.csv` and `full_contract_txt/`. VIM-E018 if one is missing, VIM-E017 if a column is."""
    table, texts = folder / ANSWERS, folder / TEXTS
    if not table.is_file() or not texts.is_dir():
        missing = table if not table.is_file() else texts
        raise VimError(
            "VIM-E018",
            f"The contracts to score against are not there: {missing}",
            why="The lawyers' answers (CUAD v1) are third-party data and not part of this repository",
            fix=f"Name the folder that holds {ANSWERS} and {TEXTS}/ with --contracts",
        )
    by_key = {_key(path.name): path for path in texts.glob("*.txt")}
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    absent = [column for pair in COLUMNS.values() for column in pair if rows and column not in rows[0]]
    if absent or not rows:
        raise VimError("VIM-E017", f"{table} has no column {absent[0]!r}" if absent else f"{table} has no rows", fix="Use the table of CUAD v1 as it is")
    contracts = []
    for row in rows:
        path = by_key.get(_key(row["Filename"]))
        if path is None:
            raise VimError("VIM-E018", f"The text of {row['Filename']!r} is not in {texts}", fix="Unpack the texts again")
        cells = {name: (row[clause].strip(), row[answer].strip()) for name, (clause, answer) in COLUMNS.items()}
        contracts.append(Contract(row["Filename"], path.read_text(encoding="utf-8"), cells))
    return contracts


def _key(name: str) -> str:
    """A file name without what differs between the table and the texts: the ending, '&' and "'" that became '_', blanks at the end."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\.(?:pdf|txt)$", "", name.strip().lower()))


def lawyers_answer(name: Field, cell: str) -> tuple[Said, bool]:
    """The lawyers' one answer, and whether there is one: an empty cell, a partial date ("[]/[]/2020") and two answers in one cell are none."""
    text = cell.strip().lower()
    if text == "perpetual":
        return PERPETUAL, True
    if COLUMNS[name][0].endswith("Date"):
        match = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", text)
        if not match:
            return None, False
        year = int(match[3]) if len(match[3]) == 4 else int(match[3]) + (2000 if int(match[3]) < 50 else 1900)
        return date(year, int(match[1]), int(match[2])), True
    halved = re.fullmatch(r"(\d+\.\d+) years?", text)
    if halved:
        return Duration(round(float(halved[1]) * 12), "month"), True
    found = [length.value for length in lengths(text) if length.value]
    return (found[0], True) if len(found) == 1 and ";" not in text else (None, False)


# -- judging ---------------------------------------------------------------------------------------------------------------


def is_same(said: Said, lawyers: Said) -> bool:
    """Dates by the day; lengths by what they last (1 year is 12 months, 30 days are not 1 month); perpetual by name. Nothing is nearly right."""
    if isinstance(said, Duration) and isinstance(lawyers, Duration):
        return said.is_same_length(lawyers)
    return type(said) is type(lawyers) and said == lawyers


def judge(contract: Contract, name: Field, said: Extracted) -> Judged:
    """One answer, right, wrong or open, with these rules for the lawyers' cell:

    - one answer in it: the same is right, anything else wrong;
    - a partial date or two answers: whatever is answered is wrong, open is as asked;
    - empty, and no clause marked: whatever is answered is wrong;
    - empty, but the clause that we quote is marked: they found our clause and gave no answer. Not judged, counted apart.
    """
    clause, cell = contract.cells[name]
    lawyers, is_answerable = lawyers_answer(name, cell)
    value = said.value.length if isinstance(said.value, Renewal) else said.value
    successive = None
    verdict: Verdict
    why = ""
    if value is None:
        verdict = "open" if is_answerable else "rightly open"
    elif is_answerable and not isinstance(value, bool | int) and is_same(value, lawyers):
        verdict = "right"
        if isinstance(said.value, Renewal):
            successive = said.value.is_successive == bool(re.search(r"succ?es", cell.lower()))
    elif not cell and _is_marked(said.quote or "", clause):
        verdict, why = "not judged", "they marked this clause and gave no answer"
    else:
        verdict = "wrong"
        why = "another answer" if is_answerable else "their cell is empty" if not cell else "their cell is partial or has two answers"
    return Judged(contract.name, contract.parts, name, said, cell, is_answerable, verdict, why, successive)


def _is_marked(quote: str, clause: str) -> bool:
    """Whether the clause that the lawyers marked holds the words that we quote, or we quote a marked part."""
    ours = _words(quote)
    if not ours:
        return False
    marked = [_words(part) for part in re.split(r"<omitted>|', '|\", \"|', \"|\", '", clause)]
    return any(part and (ours in part or part in ours) for part in marked if len(part) > 20)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def score(contracts: Iterable[Contract]) -> Score:
    """Reads every contract and judges every field."""
    judged, count, slowest, started = [], 0, 0.0, time.perf_counter()
    for contract in contracts:
        begun = time.perf_counter()
        terms = extract_terms(contract.text)
        slowest = max(slowest, time.perf_counter() - begun)
        count += 1
        judged += [judge(contract, name, terms[name]) for name in COLUMNS]
    return Score(judged, count, time.perf_counter() - started, slowest)


def _row(name: str, judged: list[Judged]) -> Row:
    counts = Counter(one.verdict for one in judged)
    return Row(
        name,
        answerable=sum(one.is_answerable for one in judged),
        answered=counts["right"] + counts["wrong"],
        right=counts["right"],
        wrong=counts["wrong"],
        left_open=counts["open"],
        not_judged=counts["not judged"],
    )


def successive_agrees(judged: Iterable[Judged]) -> tuple[int, int]:
    """(agreeing, compared): renewals of the right length whose 'successive' is the lawyers' too. They use the word unevenly; it is not in the score."""
    compared = [one.is_successive_right for one in judged if one.is_successive_right is not None]
    return sum(compared), len(compared)


# -- words -----------------------------------------------------------------------------------------------------------------


def score_lines(result: Score, *, show_wrong: bool = False) -> list[str]:
    """The tables for a terminal; with `show_wrong` each wrong answer beside the lawyers'."""
    pooled = result.rows()[-1]
    lines = [f"{result.contracts} contracts, five fields, {result.seconds:.1f} s (the slowest contract {result.slowest_seconds * 1000:.0f} ms)"]
    parts: list[tuple[str, Part | None]] = [
        ("all", None),
        ("development half", "development"),
        ("check half", "check"),
        ("of the check half, never read while the rules were written", "unread"),
    ]
    for title, part in parts:
        lines += ["", title, *_table(result.rows(part))]
    agreeing, compared = successive_agrees(result.judged)
    lines += [
        "",
        f"'successive' agrees in {agreeing} of {compared} renewals of the right length (not in the score).",
        f"{pooled.not_judged} answers are not judged: the lawyers marked the clause that is quoted and gave no answer. "
        f"Counted as wrong they would make {(pooled.wrong + pooled.not_judged) / max(1, pooled.answered + pooled.not_judged):.1%}.",
        f"Bar: wrong at most {BAR:.0%} of answered: {'met' if result.is_met else 'MISSED'} ({pooled.wrong_share:.1%}).",
    ]
    if show_wrong:
        lines += ["", *_wrong_lines(result.wrong)]
    return lines


def _table(rows: list[Row]) -> Iterator[str]:
    yield f"{'field':<16}{'answerable':>11}{'answered':>9}{'right':>6}{'wrong':>6}{'open':>5}   {'wrong of answered':<22}{'right of answerable':<22}"
    for row in rows:
        yield (
            f"{row.field:<16}{row.answerable:>11}{row.answered:>9}{row.right:>6}{row.wrong:>6}{row.left_open:>5}   "
            f"{_share(row.wrong, row.answered):<22}{_share(row.right, row.answerable):<22}".rstrip()
        )


def _share(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{hits / trials:6.1%} ({low:.1%}-{high:.1%})" if trials else "     - (no cases)"


def _wrong_lines(wrong: list[Judged]) -> Iterator[str]:
    for one in wrong:
        yield f"{one.contract}"
        yield f"    {one.field}: said {one.said.value_text}, lawyers {one.lawyers or '(empty)'} ({one.why}); {one.said.reason}"


def page_rows(rows: Iterable[Row]) -> list[str]:
    """Rows of the table in docs/reference/contract-terms.md; a test holds the page to them."""
    return [
        f"| {row.field.replace('_', ' ')} | {row.answerable} | {row.answered} | {row.right} | {row.wrong} | {row.left_open} | "
        f"{_page_share(row.wrong, row.answered)} | {_page_share(row.right, row.answerable)} |"
        for row in rows
    ]


def _page_share(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{hits / max(1, trials):.1%} ({low:.1%} to {high:.1%})".replace("%", " %")
