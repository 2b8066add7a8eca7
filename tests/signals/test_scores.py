"""Scores: the blend, what coverage does, floors and bands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vim_pipelines.core.errors import VimError
from vim_pipelines.signals import scores

RULES = scores.load_score_rules()
NO_FLOORS = {name: [False] for name in scores.FLOORS}
NAN = float("nan")


def combined(muda: float, mura: float, muri: float, **floors: bool) -> scores.Scores:
    return scores.combine(np.array([muda]), np.array([mura]), np.array([muri]), NO_FLOORS | {name: [value] for name, value in floors.items()}, RULES)


def test_one_bad_dimension_cannot_be_averaged_away() -> None:
    """The headline account wastes most of its seats and is healthy otherwise: .5 x 100 + .5 x .4 x 100 = 70, red."""
    result = combined(100, 0, 0)
    assert (result.lean_risk[0], result.risk_band[0], result.coverage[0]) == (70.0, "red", 1.0)


def test_weights_move_to_what_was_measured() -> None:
    """Muda 60 and Muri 20 of weights .4 and .3: .5 x 60 + .5 x (24 + 6) / .7."""
    result = combined(60, NAN, 20)
    assert result.lean_risk[0] == pytest.approx(30 + 0.5 * 30 / 0.7, abs=0.01)
    assert result.coverage[0] == pytest.approx(0.7)


def test_below_forty_per_cent_coverage_there_is_no_score() -> None:
    result = combined(NAN, 100, NAN)
    assert np.isnan(result.lean_risk[0]) and result.risk_band == ["unknown"] and result.coverage[0] == pytest.approx(0.3)


def test_nothing_measured_is_unknown_and_not_green() -> None:
    result = combined(NAN, NAN, NAN)
    assert result.risk_band == ["unknown"] and result.coverage[0] == 0.0


def test_with_little_coverage_the_band_is_at_most_yellow() -> None:
    result = combined(100, NAN, NAN)
    assert (result.lean_risk[0], result.risk_band[0]) == (100.0, "yellow")


def test_notice_is_a_floor_whatever_else_is_measured() -> None:
    """An account that gave notice and whose telemetry is not fed must not read 'unknown'."""
    for result in (combined(0, 0, 0, notice_served=True), combined(NAN, NAN, NAN, notice_served=True)):
        assert (result.lean_risk[0], result.risk_band[0], result.floor_reason[0]) == (100.0, "red", "notice_served")


def test_a_measured_floor_needs_a_score_to_stand_on() -> None:
    assert combined(NAN, 10, NAN, never_activated=True).risk_band == ["unknown"]
    assert combined(10, 10, NAN, never_activated=True).lean_risk[0] == 80.0


def test_the_highest_floor_gives_the_reason_and_a_higher_score_needs_none() -> None:
    both = combined(0, 0, 0, aged_p1_before_opt_out=True, auto_renew_switched_off=True)
    assert (both.lean_risk[0], both.floor_reason[0]) == (90.0, "auto_renew_switched_off")
    assert combined(100, 100, 100, aged_p1_before_opt_out=True).floor_reason == [None]


def test_muda_by_hand_at_each_age() -> None:
    """200 seats, 145 beyond need: 55 needed. At two months 100 are expected (gap .45), later 150 and 200."""
    ages = np.array([20.0, 45, 100, 200, 300, NAN])
    result = scores.muda_score(np.full(6, 145.0), np.full(6, 200.0), ages, RULES)
    np.testing.assert_allclose(result, [NAN, 0.0, 90.0, 100.0, 100.0, NAN])


def test_muda_of_an_account_without_seats_is_unknown() -> None:
    assert np.isnan(scores.muda_score(np.array([0.0]), np.array([0.0]), np.array([400.0]), RULES)[0])


def test_mura_takes_its_worst_finding() -> None:
    one, none, unknown = np.array([1.0]), np.array([0.0]), np.array([NAN])
    findings = {"is_dropping": one, "is_spiky": one, "is_gapped": none, "fall": np.array([-0.5]), "cv": np.array([0.3]), "gap_days": np.array([0.0])}
    assert scores.mura_score(findings, RULES)[0] == pytest.approx(80.0)
    assert scores.mura_score(findings | {"is_dropping": none, "is_spiky": none}, RULES)[0] == 0.0
    assert np.isnan(scores.mura_score(findings | {"is_dropping": unknown, "is_spiky": unknown, "is_gapped": unknown}, RULES)[0])


@given(st.lists(st.tuples(*[st.one_of(st.just(NAN), st.floats(0, 100))] * 3), min_size=1, max_size=20))
def test_a_score_lies_between_its_parts_and_the_band_follows_it(rows: list[tuple[float, float, float]]) -> None:
    parts = np.array(rows)
    result = scores.combine(parts[:, 0], parts[:, 1], parts[:, 2], {name: [False] * len(rows) for name in scores.FLOORS}, RULES)
    for row, risk, band, coverage in zip(parts, result.lean_risk, result.risk_band, result.coverage, strict=True):
        measured = row[np.isfinite(row)]
        if coverage < 0.4:
            assert np.isnan(risk) and band == "unknown"
            continue
        assert measured.min() - 0.01 <= risk <= measured.max() + 0.01
        assert band in (("green",) if risk < 40 else ("yellow",) if risk < 70 else ("red", "yellow"))
        assert band != "red" or coverage >= 0.6


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("muda: 0.4, mura", "muda: 0.5, mura", "add up to 1"),
        ("yellow: 40", "yellow: 80", "0 < yellow < red"),
        ("  notice_served: 100\n", "", "notice_served"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, before: str, after: str, why: str) -> None:
    text = scores.PATH.read_text()
    assert before in text
    wrong = tmp_path / "scores.yaml"
    wrong.write_text(text.replace(before, after))
    with pytest.raises(VimError, match="VIM-E005") as caught:
        scores.load_score_rules(wrong)
    assert why in str(caught.value)
