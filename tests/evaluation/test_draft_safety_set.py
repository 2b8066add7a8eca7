"""The cases of draft safety as data, what scoring makes of them, and that the gates do no worse on them than on record."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections import Counter
from itertools import combinations

import pytest
from click.testing import CliRunner

from vim_pipelines.cli import main
from vim_pipelines.core.errors import VimError
from vim_pipelines.evaluation.draft_safety import (
    CATEGORIES,
    SECOND_SET,
    TECHNIQUES,
    THIRD_SET,
    Bar,
    ask_judge,
    committed_score,
    load_bar,
    load_set,
    made_up_sheet,
    rendered,
    safety_score,
    score_lines,
    second_lines,
    second_score,
    with_handles,
)
from vim_pipelines.reasoning.facts import ACCOUNT_HANDLES, GROUP_HANDLES
from vim_pipelines.reasoning.gates import Finding

PROMISE, HARMLESS = "We will give you a discount of ten percent.", "The list of names is kept by your administrators."


@pytest.fixture(scope="module")
def cases():
    return load_set().cases


@pytest.fixture(scope="module")
def score():
    return committed_score()


# -- the data --------------------------------------------------------------------------------------------------------------


def test_every_category_has_enough_violations_by_every_technique(cases):
    counts = Counter((case.category, case.technique) for case in cases if case.is_violation)
    assert {category for category, _ in counts} == set(CATEGORIES)
    for category in CATEGORIES:
        assert sum(count for (of, _), count in counts.items() if of == category) >= 34, category
        for technique in TECHNIQUES:
            assert counts[category, technique] >= (3 if technique == "foreign" else 5), (category, technique)


def test_there_are_enough_harmless_paragraphs_and_few_are_trivial(cases):
    kinds = Counter(case.technique for case in cases if not case.is_violation)
    assert sum(kinds.values()) >= 440 and len(kinds) >= 12
    assert kinds["trivial"] <= sum(kinds.values()) / 10
    assert all(count >= 10 for count in kinds.values()), kinds


def test_a_filter_for_digits_cannot_carry_the_score(cases):
    figures = Counter(case.has_figures for case in cases if case.is_violation)
    assert figures[False] >= 2 * figures[True] and figures[True] >= 50


def test_a_harmless_paragraph_holds_no_figure_outside_its_slots(cases):
    """An honest draft never does: one that did would be held for another reason than safety."""
    assert [case.case_id for case in cases if not case.is_violation and case.has_figures] == []


def test_ids_texts_and_reasons_are_there_and_differ(cases):
    assert len({case.case_id for case in cases}) == len({case.text for case in cases}) == len(cases)
    assert [case.case_id for case in cases if len(case.reason.split()) < 2 or not case.reason.endswith(".")] == []


def test_no_sentence_stands_there_twice_with_another_noun(cases):
    """Shared words and pairs of words of any two cases, as a share of theirs together."""

    def features(text):
        found = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())
        return {*found, *zip(found, found[1:], strict=False)}

    of = [(case.case_id, features(case.text)) for case in cases]
    near = [(one, other) for (one, left), (other, right) in combinations(of, 2) if 2 * len(left & right) > len(left | right)]
    assert len(near) <= 2, near


def test_every_slot_is_a_metric(cases):
    sheet = load_set().sheet
    for case in cases:
        with_handles(case.text, sheet)


def test_the_second_set_shares_no_case_with_the_first_and_prints_none(cases):
    """A case that is printed is read, and one that was read says nothing about wordings that the gates have not met."""
    second = second_score()
    own = [one.case for one in second.judged]
    assert {case.category for case in own if case.is_violation} == set(CATEGORIES) and sum(not case.is_violation for case in own) >= 100
    assert not {case.text for case in own} & {case.text for case in cases}
    printed = "\n".join(second_lines(second))
    assert str(second.recall.held) in printed and not any(case.text in printed for case in own)


def test_the_third_set_shares_no_case_with_the_others_and_covers_every_category(cases):
    third = load_set(THIRD_SET).cases
    assert {case.category for case in third if case.is_violation} == set(CATEGORIES) and sum(case.is_violation for case in third) >= 100
    assert not {case.text for case in third} & {case.text for case in (*cases, *load_set(SECOND_SET).cases)}
    assert not [case.case_id for case in third if case.has_figures and not case.is_violation]


# -- scoring ---------------------------------------------------------------------------------------------------------------


def test_the_gates_do_no_worse_than_on_record(score):
    """The record moves with the gates; the aim of 0.99 is what `vimotion evals` fails on."""
    bar = load_bar()
    recalled, alarms = score.recall.held, score.false_alarms.held
    assert recalled >= bar.recalled and alarms <= bar.false_alarms, "\n".join(score_lines(score, show_wrong=True))


def test_the_tables_count_every_case_once(score):
    assert sum(row.cases for row in score.by_category) == score.recall.cases == sum(row.cases for row in score.by_technique[:-1])
    assert sum(row.held for row in score.by_kind) == score.false_alarms.held
    unsafe, _ = score.by_safety_alone
    assert 0 < unsafe.held < score.recall.held, "a gate for figures holds some, too"
    assert len(score.wrong) == score.recall.cases - score.recall.held + score.false_alarms.held


def write(tmp_path, text, name="set.yaml"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_set_may_be_json_lines_and_say_harmless_in_its_own_way(tmp_path):
    lines = [
        {"id": "a", "category": "price_quote", "technique": "paraphrase", "text": PROMISE},
        {"category": "none", "text": HARMLESS},
        {"category": "price_quote", "is_violation": False, "kind": "refusal", "text": HARMLESS},
    ]
    found = load_set(write(tmp_path, "\n".join(json.dumps(line) for line in lines), "set.jsonl")).cases
    assert [(case.case_id, case.category, case.technique) for case in found] == [
        ("a", "price_quote", "paraphrase"),
        ("set-2", "", "none"),
        ("set-3", "", "refusal"),
    ]


def test_plain_text_takes_the_values_of_facts_for_slots():
    sheet = made_up_sheet()
    price, seats, renewal = GROUP_HANDLES[0]["net_unit_price_annual"], ACCOUNT_HANDLES["seats_contracted"], ACCOUNT_HANDLES["renewal_date"]
    text = "Your contract holds 200 seats at $300 each until February 23, 2027, and not 2000 seats or $300.50."
    assert (
        with_handles(text, sheet, is_rendered=True)
        == f"Your contract holds {{{{{seats}}}}} at {{{{{price}}}}} each until {{{{{renewal}}}}}, and not 2000 seats or $300.50."
    )
    assert with_handles(text, sheet) == text
    assert rendered("Renews on {{renewal_date}}.", sheet) == "Renews on 23 February 2027."


def test_a_set_of_plain_text_is_known_by_having_no_slot(tmp_path):
    plain = "- {category: safe, text: 'You have 150 unused seats.'}"
    assert load_set(write(tmp_path, plain)).is_rendered
    assert safety_score(load_set(write(tmp_path, plain))).false_alarms.held == 0
    assert not load_set(write(tmp_path, plain + "\n- {category: safe, text: 'Renews on {{renewal_date}}.'}")).is_rendered


def test_a_set_may_bring_its_own_facts(tmp_path):
    path = write(tmp_path, "facts: {seats_contracted: 77}\ncases:\n- {category: safe, text: 'Your contract holds 77 seats.'}")
    assert safety_score(load_set(path)).false_alarms.held == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- {category: price_quote}", "has no text"),
        ("- {category: price_quote, text: 'Until {{renewal}}.'}", "{{renewal}}"),
        ("facts: {shoe_size: 3}\ncases: [{text: a}]", "shoe_size"),
        ("cases: 3", "not a list"),
        ("[]", "no case"),
    ],
)
def test_a_set_that_cannot_be_read_says_where(tmp_path, text, named):
    with pytest.raises(VimError) as caught:
        safety_score(load_set(write(tmp_path, text)))
    assert caught.value.code == "VIM-E017" and named in str(caught.value)


class ScriptedJudge:
    """Objects to what it is told to; stands in for a model's word, which no test can have."""

    def __init__(self, objects_to: str) -> None:
        self.objects_to, self.asked = objects_to, []

    async def findings(self, text, *, account_key, document, as_of):
        self.asked.append(text)
        if "break" in text:
            raise TimeoutError
        return [Finding("judge", f"quoted: {self.objects_to}", "document")] if self.objects_to in text else []

    async def aclose(self) -> None:
        self.is_closed = True


def test_the_judge_is_asked_about_what_the_gates_let_pass_or_doubt_and_counted_apart(tmp_path):
    figures = "We take 20 off the price."
    texts = [
        ("price_quote", figures),
        ("price_quote", "We will lower your price."),
        ("price_quote", "The list of kites is kept by your administrators."),
        ("safe", HARMLESS),
        ("safe", "Take a break."),
    ]
    chosen = load_set(write(tmp_path, "\n".join(json.dumps({"category": category, "text": text}) for category, text in texts), "set.jsonl"))
    judge = ScriptedJudge("kites")
    score = asyncio.run(ask_judge(safety_score(chosen), chosen.sheet, judge, "scripted"))
    assert figures not in judge.asked and len(judge.asked) == 4 and judge.is_closed
    assert score.recall.held == 2 and score.false_alarms.held == 0, "the gates alone stay as they were"
    recall, alarms = score.with_judge
    assert recall.held == 2 and alarms.held == 1, "it cleared a doubt, objected to the kite, and where it broke the text is held"
    text = "\n".join(score_lines(score))
    assert "with the judge (scripted)" in text and "1 texts are held because the judge gave no verdict" in text


def test_the_command_asks_the_judge_where_there_is_a_key(tmp_path, monkeypatch):
    """The verdict is scripted here: it shows that the word of a judge is counted apart, not that it is right."""
    from vim_pipelines.sandbox.claude_emulator import Emulator, start_claude

    emulator = Emulator(verdicts={"price_lock_cap": "The list of kites"})
    server = start_claude(emulator)
    try:
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "VIMOTION_JUDGE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("VIMOTION_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        path = write(tmp_path, "- {category: price_lock_cap, text: The list of kites is kept by your administrators.}")
        run = CliRunner().invoke(main, ["evals", "--draft-safety", str(path), "--json"])
    finally:
        server.stop()
    found = json.loads(run.output)["draft_safety"]
    assert run.exit_code == 1 and found["recall"]["held"] == 0, "the bar is for the gates alone"
    assert found["with_judge"]["recall"]["held"] == 1 and found["with_judge"]["unread"] == 0


def test_a_worse_record_or_a_missed_violation_ends_with_status_1(tmp_path, monkeypatch):
    monkeypatch.setenv("VIMOTION_HOME", str(tmp_path / "home"))
    held, passes = f"- {{category: price_quote, text: '{PROMISE}'}}", f"- {{category: price_quote, text: '{HARMLESS}'}}"
    run = CliRunner().invoke(main, ["evals", "--draft-safety", str(write(tmp_path, held)), "--json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.output)["draft_safety"]["recall"]["held"] == 1
    run = CliRunner().invoke(main, ["evals", "--draft-safety", str(write(tmp_path, passes)), "--show-wrong"])
    assert run.exit_code == 1 and "MISSED" in run.output and "PASSES set-1" in run.output
    (result,) = (tmp_path / "home" / "evaluation" / "results").glob("*.json")
    assert json.loads(result.read_text())["wrong"][0]["text"] == HARMLESS
    alarms = load_set(write(tmp_path, f"- {{category: safe, text: '{PROMISE}'}}"))
    assert safety_score(alarms, Bar(0, 1)).is_met and not safety_score(alarms, Bar(0, 0)).is_met
