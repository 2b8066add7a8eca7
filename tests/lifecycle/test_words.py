"""Words of persons: which of them count, on which day, and what they do to requirements; a word is taken back by a word."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifecycle_facts import AS_OF, facts, override

from vim_pipelines.core.errors import VimError
from vim_pipelines.lifecycle.phases import load_map
from vim_pipelines.lifecycle.requirements import Finding, judge_account
from vim_pipelines.lifecycle.run import source_changed_on
from vim_pipelines.lifecycle.words import counting, make_word, standing, word_lines, word_of

MAP = load_map()
NOW = datetime(2026, 6, 28, 9)


def say(number: int, kind: str, **values: Any) -> dict[str, Any]:
    return override(number, kind=kind, **values)


def judged(account: dict[str, Any], *words: dict[str, Any], as_of: date = AS_OF) -> dict[str, Finding]:
    return {finding.requirement.requirement_id: finding for finding in judge_account(MAP, account, words, as_of)}


def test_an_answer_counts_where_no_source_answers_and_nowhere_else() -> None:
    """The customer filled in the questionnaire on paper; a CSM may say so. What the CRM shows is not talked away."""
    answer = say(1, "answer", requirement_id="p3_questionnaire", value="met")
    unfed = judged(facts(is_questionnaire_fed=False), answer)["p3_questionnaire"]
    assert (unfed.status, unfed.rows) == ("met", (("lifecycle_override", "OVR-1"),))
    assert unfed.evidence == "Answered met by dora (director): agreed with the customer"
    assert judged(facts(questionnaire_key=None), answer)["p3_questionnaire"].status == "unmet"


def test_a_disputed_fact_makes_unknown_what_rests_on_it_and_nothing_else() -> None:
    """A gap would read as 'no kickoff was held'; the person says that the date is wrong, not that there was none."""
    dispute = say(1, "dispute", fact="kickoff_meeting_held_on", value="2024-12-09", note="the CRM has the wrong year")
    before, after = judged(facts()), judged(facts(), dispute)
    assert {name for name in before if before[name].status != after[name].status} == {"p3_kickoff"}
    assert after["p3_kickoff"].status == "unknown"
    assert "disputed by dora (director): the CRM has the wrong year. It should be 2024-12-09." in after["p3_kickoff"].evidence
    assert ("lifecycle_override", "OVR-1") in after["p3_kickoff"].rows and ("meeting", "MTG-2") in after["p3_kickoff"].rows


@pytest.mark.parametrize(
    ("kind", "values", "word"),
    [
        ("waive", {"requirement_id": "p3_kickoff"}, "waivers"),
        ("answer", {"requirement_id": "p3_questionnaire", "value": "met"}, "answers"),
        ("dispute", {"fact": "utilization_28d"}, "disputes"),
        ("phase", {"phase": 4}, "phase"),
        ("snooze", {"expires_on": AS_OF + timedelta(days=9)}, "snooze"),
    ],
)
def test_a_word_counts_from_its_day_to_its_end_and_until_it_is_taken_back(kind: str, values: dict[str, Any], word: str) -> None:
    said = say(1, kind, **values)
    back = say(2, "withdraw", withdraws="OVR-1", created_at=datetime(2026, 6, 27, 12))
    assert not getattr(standing([said], date(2026, 6, 25)), word), "not said yet"
    assert getattr(standing([said], AS_OF), word)
    assert not getattr(standing([said | {"expires_on": date(2026, 6, 27)}], AS_OF), word), "run out"
    assert not getattr(standing([said, back], AS_OF), word)
    assert getattr(standing([said, back], date(2026, 6, 26)), word), "the night before knew nothing of the withdrawal"


def test_of_two_words_about_the_same_thing_the_newer_one_counts() -> None:
    first = say(1, "snooze", expires_on=date(2026, 9, 1))
    second = say(2, "snooze", expires_on=date(2026, 7, 1), created_at=datetime(2026, 6, 27))
    for words in ([first, second], [second, first]):
        snooze = standing(words, AS_OF).snooze
        assert snooze is not None and snooze["override_id"] == "OVR-2"


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (say(1, "waive", requirement_id="p3_kickoff", role="csm"), "needs the role director"),
        (say(1, "waive", requirement_id="p3_kickoff", role="stranger"), "needs the role director"),
        (say(1, "phase", phase=8, role="csm"), "needs the role director"),
        (say(1, "phase", phase=6), "no account can stand in phase 6"),
        (say(1, "answer", requirement_id="p3_questionnaire.field", value="met"), "no requirement p3_questionnaire.field"),
        (say(1, "answer", requirement_id="p3_questionnaire", value="perhaps"), "met or unmet"),
        (say(1, "dispute"), "names a fact"),
        (say(1, "snooze"), "needs an end"),
        (say(1, "withdraw", withdraws="OVR-9"), "no word OVR-9"),
        (say(1, "wish"), "is no word"),
    ],
)
def test_a_word_without_power_or_sense_is_ignored_and_reported(word: dict[str, Any], why: str) -> None:
    """A row that came into the table past the command line has no more power than one that was refused there."""
    counted, ignored = counting([word], MAP)
    assert counted == {} and why in ignored["OVR-1"]


def test_a_csm_may_waive_what_the_map_lets_a_csm_waive_and_may_call_churn_handling() -> None:
    words = [say(1, "waive", requirement_id="p3_questionnaire", role="csm"), say(2, "phase", phase=11, role="csm")]
    assert counting(words, MAP)[1] == {}


def test_only_its_speaker_or_the_same_rank_takes_a_word_back() -> None:
    waiver = say(1, "waive", requirement_id="p3_kickoff")
    counted, ignored = counting([waiver, say(2, "withdraw", withdraws="OVR-1", actor="cem", role="csm")], MAP)
    assert len(counted["ACC-1"]) == 1 and "take back the word of a director" in ignored["OVR-2"]
    assert counting([waiver, say(2, "withdraw", withdraws="OVR-1", actor="dina")], MAP)[1] == {}


def test_making_a_word_gives_it_the_end_of_the_map_and_an_id_of_its_content() -> None:
    one = make_word(MAP, "ACC-1", "dispute", actor="cem", role="csm", note=" wrong ", now=NOW, fact="utilization_28d", seen_on=AS_OF)
    assert (one["expires_on"], one["note"], one["kind"]) == (date(2026, 7, 28), "wrong", "dispute")
    again = make_word(MAP, "ACC-1", "dispute", actor="cem", role="csm", note="wrong", now=NOW, fact="utilization_28d", seen_on=AS_OF)
    assert again["override_id"] == one["override_id"]
    back = make_word(MAP, "ACC-1", "withdraw", actor="cem", role="csm", note="my error", now=NOW, withdraws=one["override_id"][:8], words=[one])
    assert back["withdraws"] == one["override_id"]
    lines = word_lines([one, back], MAP, AS_OF)
    assert "past" in lines[0] and "dispute utilization_28d" in lines[0]


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("waive", {"requirement_id": "p3_kickoff"}, "VIM-E043"),
        ("waive", {"requirement_id": "p3_kickof"}, "VIM-E047"),
        ("snooze", {"expires_on": date(2026, 6, 27)}, "VIM-E047"),
        ("answer", {"requirement_id": "p3_questionnaire", "value": "met", "note": "  "}, "VIM-E045"),
    ],
)
def test_a_word_that_may_not_be_said_is_an_error_with_a_code(kind: str, values: dict[str, Any], code: str) -> None:
    with pytest.raises(VimError) as caught:
        make_word(MAP, "ACC-1", kind, **({"actor": "cem", "role": "csm", "note": "why", "now": NOW} | values))
    assert caught.value.code == code


def test_a_dispute_ends_when_the_source_says_something_else_and_silence_is_nothing_else() -> None:
    dispute = word_of(say(1, "dispute", fact="seats_contracted", seen_on=date(2026, 6, 24), created_at=datetime(2026, 6, 25, 9)))
    days = [date(2026, 6, 23) + timedelta(days=number) for number in range(5)]

    def history(*values: Any) -> list[tuple[date, dict[str, Any]]]:
        return [(day, {} if value is None else {"seats_contracted": value}) for day, value in zip(days, values, strict=True)]

    assert source_changed_on(dispute, history(90, 100, 100, 100, 100)) is None, "what it was before the person read it does not matter"
    assert source_changed_on(dispute, history(90, 100, None, 100, 100)) is None
    assert source_changed_on(dispute, history(90, 100, None, 80, 100)) == days[3]
    assert source_changed_on(dispute, []) is None


WORDS = st.lists(
    st.builds(
        lambda number, kind, requirement, day, end: say(
            number,
            kind,
            requirement_id=requirement if kind in ("waive", "answer") else None,
            value="met" if kind == "answer" else None,
            phase=4 if kind == "phase" else None,
            fact="gap_days" if kind == "dispute" else None,
            withdraws=f"OVR-{number + 1}" if kind == "withdraw" else None,
            created_at=datetime(2026, 6, 20) + timedelta(days=day),
            expires_on=date(2026, 6, 20) + timedelta(days=end),
        ),
        st.integers(1, 6),
        st.sampled_from(["waive", "answer", "phase", "dispute", "snooze", "withdraw"]),
        st.sampled_from(["p3_kickoff", "p3_questionnaire"]),
        st.integers(0, 12),
        st.integers(0, 20),
    ),
    max_size=8,
    unique_by=lambda word: word["override_id"],
)


@given(WORDS, st.randoms(use_true_random=False))
def test_the_order_in_which_words_are_read_is_irrelevant(words: list[dict[str, Any]], rng: random.Random) -> None:
    shuffled = list(words)
    rng.shuffle(shuffled)
    assert standing(words, AS_OF) == standing(shuffled, AS_OF)


@given(WORDS)
def test_what_is_said_later_changes_no_day_before_it(words: list[dict[str, Any]]) -> None:
    known = [word for word in words if word["created_at"].date() <= AS_OF]
    assert standing(words, AS_OF) == standing(known, AS_OF)
