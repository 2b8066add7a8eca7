"""The calibration card: what a score is worth, on which data, and what it may be used for.

A score without its card is a number that everybody reads as a probability. The card is the same in the warehouse (one row per figure), as
JSON beside the home folder's other results, as text in the terminal and as metadata in Dagster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.hashing import sha256_json
from vim_pipelines.evaluation.backtest_metrics import Bin, Figure

if TYPE_CHECKING:
    from vim_pipelines.warehouse.base import Session

TABLE = "computed.calibration_cards"


@dataclass(frozen=True)
class CardFigure:
    """One figure of one ranking on one slice of the test rows, with the rows and losses behind it."""

    metric: str
    ranking: str
    slice: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    losses: int

    @classmethod
    def of(cls, metric: str, ranking: str, slice_: str, figure: Figure, n: int, losses: int) -> CardFigure:
        return cls(metric, ranking, slice_, figure.value, figure.low, figure.high, n, losses)


@dataclass(frozen=True)
class CalibrationCard:
    """Everything that must be known before a score is used. Dates are snapshots (observation dates), not the dates of outcomes."""

    subject: str
    label: str
    model: str
    model_version: str
    chosen_because: str
    probability: str
    data: Mapping[str, str]
    as_of_date: date
    trained_from: date | None
    trained_to: date | None
    train_rows: int
    train_accounts: int
    train_losses: int
    tested_from: date | None
    tested_to: date | None
    test_rows: int
    test_accounts: int
    test_losses: int
    test_censored: int
    figures: tuple[CardFigure, ...]
    reliability: tuple[Bin, ...]
    bands: tuple[Bin, ...]
    selection: Mapping[str, float]
    verdict: str
    may_be_used_for: str
    limits: tuple[str, ...]

    @property
    def card_id(self) -> str:
        """Hash of the whole content: equal data and equal rules make the same card."""
        return sha256_json(self.as_json())[:16]

    def as_json(self) -> dict[str, Any]:
        """The card as plain values; dates are dates."""
        return asdict(self)

    def figure(self, metric: str, ranking: str | None = None, slice_: str = "all") -> CardFigure:
        """One figure; KeyError if the card has no such."""
        ranking = ranking or self.model
        for found in self.figures:
            if (found.metric, found.ranking, found.slice) == (metric, ranking, slice_):
                return found
        raise KeyError((metric, ranking, slice_))


def card_lines(card: CalibrationCard) -> list[str]:
    """The card for people."""
    lines = [
        f"Calibration card {card.card_id}: {card.subject}",
        f"  verdict      {card.verdict}",
        f"  label        {card.label}",
        f"  model        {card.model} (version {card.model_version}); {card.chosen_because}",
        f"  probability  {card.probability}",
        f"  trained on   {_span(card.trained_from, card.trained_to)}: {card.train_rows} rows, {card.train_accounts} accounts, {card.train_losses} lost",
        f"  tested on    {_span(card.tested_from, card.tested_to)}: {card.test_rows} rows, {card.test_accounts} accounts, {card.test_losses} lost"
        + (f", {card.test_censored} still open and left out" if card.test_censored else ""),
        f"  use          {card.may_be_used_for}",
        *(f"  limit        {limit}" for limit in card.limits),
        *(f"  data         {name} {digest[:16]}" for name, digest in card.data.items()),
    ]
    if card.figures:
        lines += ["", f"  {'figure':<32}{'ranking':<84}{'slice':<26}{'value (95 %)':<26}{'lost / n':>12}"]
        lines += [
            f"  {row.metric:<32}{row.ranking[:82]:<84}{row.slice:<26}{Figure(row.value, row.low, row.high)!s:<26}{row.losses:>6} /{row.n:>5}"
            for row in card.figures
        ]
    lines += _bins("Predicted against observed, by tenths of the ranking", card.reliability)
    lines += _bins("Loss rate by band", card.bands)
    if card.selection:
        lines += ["", "  Chosen on the training years alone (AUC over yearly folds):"]
        lines += [f"    {value:.4f}  {name}" for name, value in sorted(card.selection.items(), key=lambda item: -item[1])]
    return lines


def card_markdown(card: CalibrationCard) -> str:
    """The card as Dagster shows it."""
    rows = [
        f"| {row.metric} | {row.ranking} | {row.slice} | {Figure(row.value, row.low, row.high)} | {row.losses} / {row.n} |"
        for row in card.figures
    ]  # fmt: skip
    head = [f"**{card.verdict}**", "", f"{card.label}. Model: {card.model} ({card.model_version}). {card.probability}. Use: {card.may_be_used_for}", ""]
    return "\n".join([*head, "| figure | ranking | slice | value (95 %) | lost / n |", "| --- | --- | --- | --- | --- |", *rows])


def _span(first: date | None, last: date | None) -> str:
    return "nothing" if first is None else f"{first} to {last}"


def _bins(title: str, bins: Sequence[Bin]) -> list[str]:
    if not bins:
        return []
    lines = ["", f"  {title}:"]
    for part in bins:
        predicted = "" if part.predicted is None else f"predicted {part.predicted:6.1%}   "
        lines.append(f"    {part.name:<18}{predicted}observed {part.observed:6.1%} ({part.low:.1%} to {part.high:.1%})   {part.losses} of {part.n}")
    return lines


# -- keeping ---------------------------------------------------------------------------------------------------------------


def store_card(session: Session, card: CalibrationCard) -> int:
    """Replace the card's rows in computed.calibration_cards; returns their number. Earlier cards stay: they say what was believed then."""
    import pandas as pd

    from vim_pipelines.signals.tables import ensure_computed_tables

    ensure_computed_tables(session)
    frame = pd.DataFrame(list(_rows(card)))
    for column in ("value", "low_95", "high_95", "predicted"):
        frame[column] = frame[column].astype("Float64")
    return session.replace_partition(TABLE, frame, "card_id", card.card_id)


def _rows(card: CalibrationCard) -> Iterable[dict[str, Any]]:
    head = {
        "card_id": card.card_id, "as_of_date": card.as_of_date, "subject": card.subject, "label": card.label, "model": card.model,
        "model_version": card.model_version, "probability_method": card.probability, "verdict": card.verdict, "may_be_used_for": card.may_be_used_for,
        "limits": " ".join(card.limits), "data_hash": sha256_json(dict(card.data)), "trained_from": card.trained_from, "trained_to": card.trained_to,
        "train_rows": card.train_rows, "train_losses": card.train_losses, "tested_from": card.tested_from, "tested_to": card.tested_to,
        "test_rows": card.test_rows, "test_losses": card.test_losses,
    }  # fmt: skip
    for row in card.figures:
        yield head | _figure(row.metric, row.ranking, row.slice, row.value, row.low, row.high, None, row.n, row.losses)
    for metric, bins in (("reliability", card.reliability), ("band_loss_rate", card.bands)):
        for part in bins:
            yield head | _figure(metric, card.model, part.name, part.observed, part.low, part.high, part.predicted, part.n, part.losses)


def _figure(
    metric: str, ranking: str, slice_: str, value: float | None, low: float | None, high: float | None, predicted: float | None, n: int, losses: int
) -> dict[str, Any]:
    return {
        "metric": metric, "ranking": ranking, "slice": slice_, "value": value, "low_95": low, "high_95": high, "predicted": predicted, "n_obs": n,
        "n_losses": losses,
    }  # fmt: skip


def write_card(card: CalibrationCard, folder: Path) -> tuple[Path, Path]:
    """The card as JSON and as text in `folder`; returns both paths."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{card.as_of_date}_{_slug(card.subject)}_{card.card_id}"
    as_json, as_text = stem.with_suffix(".json"), stem.with_suffix(".txt")
    as_json.write_text(json.dumps({"card_id": card.card_id} | card.as_json(), indent=2, default=str) + "\n", encoding="utf-8")
    as_text.write_text("\n".join(card_lines(card)) + "\n", encoding="utf-8")
    return as_json, as_text


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower()).strip("-")
