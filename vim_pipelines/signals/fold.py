"""Keeps the evidence of a date and folds scores, bands and their reasons forward from it.

A band follows from the audit before, and a change is the difference to the audit before: a date that is computed late moves every later
one. The base models stand at the late date then, so the evidence of each date is kept in `computed.health_evidence` and the fold reads
it back (as `lifecycle.run` does). The result does not depend on the order of the runs. When scores.yaml has a new version, every date
with kept evidence is scored again: history is restated, and the version under which a date was first audited is kept beside it, so that
the next audit can say "the rule changed" and not blame the customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vim_pipelines.core.dates import as_day
from vim_pipelines.signals import bands, health, why
from vim_pipelines.signals.frames import numbers, table_frame
from vim_pipelines.signals.scores import ScoreRules, load_score_rules
from vim_pipelines.warehouse.base import Session

if TYPE_CHECKING:
    import pandas as pd

MEASURES = tuple(health.MEASURES)
_POINTS = [f"points_{name}" for name in MEASURES]
_PARTS = [*(f"contribution_{name}" for name in MEASURES), "contribution_floor"]
_NAMES: dict[int, str] = dict(enumerate(bands.BANDS))
WRITTEN = ("account_scores", "health_contributions")


@dataclass(frozen=True)
class Fold:
    """What a fold wrote: the dates, the asked one among them, and for the asked one the rows by table and accounts per band."""

    dates: tuple[date, ...]
    rows: dict[str, int]
    accounts_by_band: dict[str, int]


def fold_scores(session: Session, evidence: pd.DataFrame, as_of: date, rules: ScoreRules | None = None) -> Fold:
    """Replace the evidence of `as_of` and score it, every later date, and every date that another version of the rule scored.

    `evidence`: one row per account with `account_key` and `health.EVIDENCE`. The tables must exist.
    """
    rules = rules or load_score_rules()
    _keep(session, evidence, as_of, rules)
    start = _first_date(session, as_of, rules)
    kept = session.rows("select distinct as_of_date from computed.health_evidence where as_of_date >= ?", [start])
    dates = sorted({as_of, *(as_day(row["as_of_date"]) for row in kept)})
    carry = _carried(session, start, rules)
    rows, by_band = {"health_evidence": len(evidence)}, {}
    for day in dates:
        # Every date is read back from here, the asked one too, so that a date folds alike whenever it is folded.
        scored, carry = _fold_day(_read(session, "where evidence.as_of_date = ?", [day]), day, carry, rules)
        for name in WRITTEN:
            written = session.replace_partition(f"computed.{name}", scored[name], "as_of_date", day)
            if day == as_of:
                rows[name] = written
        if day == as_of:
            shown = scored["account_scores"]["risk_band"].tolist()
            by_band = {band: shown.count(band) for band in sorted(set(shown))}
    return Fold(tuple(dates), rows, by_band)


def _fold_day(evidence: pd.DataFrame, day: date, carry: pd.DataFrame, rules: ScoreRules) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Rows of the written tables for one date, and the carry with this date in it. Order of accounts: that of `evidence`."""
    import numpy as np
    import pandas as pd

    keys = evidence["account_key"]
    found = health.assess(evidence, rules)
    score = found.scores
    # As `_carried` reads it: an audit that is too old for the bands is none, whichever date the fold began at.
    carry = carry[pd.to_datetime(carry["as_of_date"]) >= np.datetime64(day - timedelta(days=rules.memory_days))]
    before = carry.reindex(keys).reset_index(drop=True)
    previous_scored_on = pd.to_datetime(before["scored_on"]).to_numpy()
    age = (np.datetime64(day) - previous_scored_on) / np.timedelta64(1, "D")
    memory = bands.Memory(_codes(before["held"]), _codes(before["asked"]), np.nan_to_num(age, nan=np.inf))
    step = bands.step(memory, score.lean_risk, score.may_be_red, score.has_contract_floor, rules)
    is_scored = np.isfinite(score.lean_risk)
    scored_on = np.where(is_scored, np.datetime64(day, "ns"), np.where(step.held >= 0, previous_scored_on, np.datetime64("NaT")))

    told, rule_change = _as_told(before, evidence, rules)
    parts = np.concatenate([found.contributions, found.floor[:, None]], axis=1)
    moved = Moved(
        previous_on=[None if value != value else value.date() for value in pd.to_datetime(before["as_of_date"])], told=told, rule_change=rule_change,
        old_version=_texts(before["audited_version"]), previous_band=_texts(before["band"]), points=before[_POINTS].to_numpy(dtype=float),
        parts=before[_PARTS].to_numpy(dtype=float), moves=np.round(parts - before[_PARTS].to_numpy(dtype=float), 2),
        is_capped=is_scored & (score.lean_risk >= rules.red) & ~score.may_be_red,
    )  # fmt: skip
    shown, held, asked = ([_NAMES.get(code) for code in codes.tolist()] for codes in (step.shown, step.held, step.asked))
    change = np.round(score.lean_risk - told, 2)
    scores_of_day = table_frame(
        "account_scores", keys, day,
        {
            "muda_score": score.muda, "mura_score": score.mura, "muri_score": score.muri, "lean_risk": score.lean_risk, "coverage": score.coverage,
            "risk_band": [band or "unknown" for band in shown], "floor_reason": score.floor_reason, "score_version": rules.version,
            "raw_band": score.risk_band, "held_band": held, "asked_band": asked, "scored_on": _dates(scored_on), "band_reason": step.reason,
            "previous_as_of_date": moved.previous_on, "previous_lean_risk": told, "previous_band": moved.previous_band, "lean_risk_change": change,
            "rule_change": np.where(np.isfinite(change), rule_change, np.nan), "why": _whys(day, found, step, moved, evidence, rules),
        },
    )  # fmt: skip
    now = pd.DataFrame(
        {
            "as_of_date": np.datetime64(day, "ns"), "lean_risk": score.lean_risk, "band": [band or "unknown" for band in shown], "held": step.held.astype(float),
            "asked": step.asked.astype(float), "scored_on": scored_on, "audited_version": evidence["audited_version"].to_numpy(),
            "audited_lean_risk": numbers(evidence["audited_lean_risk"]),
            **{name: found.points[:, position] for position, name in enumerate(_POINTS)},
            **{name: parts[:, position] for position, name in enumerate(_PARTS)},
        },
        index=pd.Index(keys, name="account_key"),
    )  # fmt: skip
    left = carry[~carry.index.isin(now.index)]
    tables = {"account_scores": scores_of_day, "health_contributions": _contribution_rows(day, keys, found, moved, rules)}
    return tables, (pd.concat([left, now]) if len(left) else now)


@dataclass(frozen=True)
class Moved:
    """The audit before, per account, as it is compared with tonight. `told`: the score that was told then, under the rule of then.

    `parts` and `moves`: accounts x (`MEASURES`, floor): contributions of then under the present rule, and what they changed by.
    """

    previous_on: list[date | None]
    told: Any
    rule_change: Any
    old_version: list[str | None]
    previous_band: list[str | None]
    points: Any
    parts: Any
    moves: Any
    is_capped: Any


def _as_told(before: pd.DataFrame, evidence: pd.DataFrame, rules: ScoreRules) -> tuple[Any, Any]:
    """(score of the audit before as it was told, points that the rule alone has moved it by since).

    They differ from the restated score only at the first audit under a new version: there the account was last told a score of the old
    one, and the difference is the rule's and not the customer's.
    """
    import numpy as np

    restated, old = numbers(before["lean_risk"]), before["audited_version"]
    is_first = (old.notna() & (old != rules.version)).to_numpy() & (evidence["audited_version"] == rules.version).to_numpy()
    told = np.where(is_first, numbers(before["audited_lean_risk"]), restated)
    return told, np.where(is_first, np.round(restated - told, 2), 0.0)


def _whys(day: date, found: health.Health, step: bands.Step, moved: Moved, evidence: pd.DataFrame, rules: ScoreRules) -> list[str]:
    import numpy as np

    labels = [dimension.capitalize() for dimension, _ in health.MEASURES.values()]
    score = found.scores
    has_moved = ((np.abs(moved.moves) >= why.SMALLEST_MOVE).any(axis=1) | (np.nan_to_num(moved.rule_change) != 0)).tolist()
    audited = zip(_texts(evidence["audited_version"]), numbers(evidence["audited_lean_risk"]).tolist(), strict=True)
    plain = zip(score.lean_risk.tolist(), score.coverage.tolist(), *(codes.tolist() for codes in (step.shown, step.held, step.asked)), audited, strict=True)
    told, capped = moved.told.tolist(), moved.is_capped.tolist()
    result = []
    for row, (risk, coverage, shown, held, asked, (first_version, first_risk)) in enumerate(plain):
        reason = score.floor_reason[row]
        audit = why.Audit(day, risk, coverage, _NAMES.get(shown, "unknown"), _NAMES.get(held), _NAMES.get(asked), step.reason[row], reason, capped[row])
        movers: list[why.Mover] = []
        if has_moved[row]:
            moves = moved.moves[row].tolist()
            movers = [
                why.Mover(label, move, why.what_happened(name, before, after, move))
                for label, name, move, before, after in zip(labels, MEASURES, moves, moved.points[row].tolist(), found.points[row].tolist(), strict=False)
            ]
            movers.append(why.Mover("Floor", moves[-1], why.FLOOR_WORDS[reason] if reason else "lifted"))
            movers.append(why.Mover("Rule", float(moved.rule_change[row]), f"the rule changed ({moved.old_version[row]} to {rules.version})"))
        restated = f"Restated under {rules.version}: the audit of that day said {why.shown(first_risk)} under {first_version}."
        sentences = [
            why.score_text(audit, moved.previous_on[row], told[row], movers, rules),
            why.band_text(audit, moved.previous_band[row], rules),
            restated if first_version != rules.version else "",
        ]
        result.append(" ".join(filter(None, sentences)))
    return result


def _contribution_rows(day: date, keys: Any, found: health.Health, moved: Moved, rules: ScoreRules) -> pd.DataFrame:
    """One row per account and measure; rows for floor, cap and rule only where there is one, or was one at the audit before."""
    import numpy as np
    import pandas as pd

    count, blank = len(keys), np.full(len(keys), np.nan)
    status = np.array(found.status, dtype=object).reshape(count, len(MEASURES))
    is_measured = status == "ok"
    blocks: list[dict[str, Any]] = []

    def block(rows: Any, **columns: Any) -> None:
        picked = {name: (values[rows] if isinstance(values, np.ndarray) else np.full(len(rows), values, dtype=object)) for name, values in columns.items()}
        blocks.append({"account_key": keys.to_numpy()[rows], **picked})

    everyone = np.arange(count)
    for position, (name, (dimension, unit)) in enumerate(health.MEASURES.items()):
        block(
            everyone, measure=name, dimension=dimension, status=status[:, position], value=found.values[:, position], unit=unit,
            sub_score=np.round(found.points[:, position], 2), base_weight=np.full(count, rules.weights[dimension]), weight=np.round(found.weights[:, position], 6),
            contribution=np.where(is_measured[:, position], found.contributions[:, position], np.nan), previous_contribution=moved.parts[:, position],
            change=moved.moves[:, position], detail=None,
        )  # fmt: skip
    floor, before, move = found.floor, moved.parts[:, -1], moved.moves[:, -1]
    reasons = np.array(found.scores.floor_reason, dtype=object)
    limits = np.array([rules.floors[reason] if reason else np.nan for reason in found.scores.floor_reason])
    extra = {"dimension": "rule", "status": "ok", "unit": "points", "sub_score": blank, "base_weight": blank, "weight": blank}
    block(
        np.flatnonzero((np.nan_to_num(floor) != 0) | (np.nan_to_num(before) != 0)), measure="floor", value=limits, contribution=floor,
        previous_contribution=before, change=move, detail=reasons, **extra,
    )  # fmt: skip
    none = np.zeros(count)
    block(
        np.flatnonzero(moved.is_capped), measure="cap", value=found.scores.coverage, contribution=none, previous_contribution=blank, change=none,
        detail="coverage too low for red", **(extra | {"unit": "ratio"}),
    )  # fmt: skip
    block(
        np.flatnonzero(np.nan_to_num(moved.rule_change) != 0), measure="rule_change", value=blank, contribution=none, previous_contribution=blank,
        change=moved.rule_change, detail=np.array([f"{old} to {rules.version}" for old in moved.old_version], dtype=object), **extra,
    )  # fmt: skip
    joined = {name: np.concatenate([entry[name] for entry in blocks]) for name in blocks[0]}
    texts = ("measure", "dimension", "status", "unit", "detail")
    return table_frame(
        "health_contributions", pd.Series(joined.pop("account_key")), day,
        {name: values.tolist() if name in texts else values.astype(float) for name, values in joined.items()},
    )  # fmt: skip


def _keep(session: Session, evidence: pd.DataFrame, as_of: date, rules: ScoreRules) -> None:
    """Replace the evidence of the date. A version under which it was audited before stays beside it, with the score that was told."""
    import numpy as np
    import pandas as pd

    frame = evidence.sort_values("account_key", kind="stable").reset_index(drop=True)
    earlier = session.rows("select account_key, audited_version, audited_lean_risk from computed.health_evidence where as_of_date = ?", [as_of])
    first = {row["account_key"]: row for row in earlier if row["audited_version"] != rules.version}
    current = health.assess(frame, rules).scores.lean_risk
    told = [first[key]["audited_lean_risk"] if key in first else value for key, value in zip(frame["account_key"], current.tolist(), strict=True)]
    columns: dict[str, Any] = {
        name: [None if value is None or value != value else value for value in frame[name].tolist()] if kind == "varchar" else numbers(frame[name])
        for name, kind in health.EVIDENCE.items()
    }
    columns["audited_version"] = [first[key]["audited_version"] if key in first else rules.version for key in frame["account_key"]]
    columns["audited_lean_risk"] = np.array([np.nan if value is None else value for value in told], dtype=float)
    session.replace_partition("computed.health_evidence", table_frame("health_evidence", pd.Series(frame["account_key"]), as_of, columns), "as_of_date", as_of)


def _first_date(session: Session, as_of: date, rules: ScoreRules) -> date:
    """`as_of`, or the earliest date with kept evidence that another version scored."""
    earliest = session.scalar(
        "select min(scores.as_of_date) from computed.account_scores as scores"
        " where scores.score_version <> ? and exists (select 1 from computed.health_evidence as kept where kept.as_of_date = scores.as_of_date)",
        [rules.version],
    )
    return as_of if earliest is None else min(as_of, as_day(earliest))


def _read(session: Session, where: str, parameters: list[Any]) -> pd.DataFrame:
    """Kept evidence, ordered by account; with exactly the table's columns, even without rows."""
    columns = ["account_key", "as_of_date", *health.EVIDENCE, "audited_version", "audited_lean_risk"]
    listed = ", ".join(f"evidence.{name}" for name in columns)
    frame = session.query(f"select {listed} from computed.health_evidence as evidence {where} order by evidence.account_key", parameters)
    return frame.reindex(columns=columns)


def _carried(session: Session, start: date, rules: ScoreRules) -> pd.DataFrame:
    """Each account's newest audit before `start`, not older than the memory of the bands: what `_fold_day` compares with."""
    import numpy as np
    import pandas as pd

    newest = "(select account_key, max(as_of_date) as as_of_date from computed.health_evidence where as_of_date < ? and as_of_date >= ? group by account_key) as newest"
    window = [start, start - timedelta(days=rules.memory_days)]
    matched = "on {0}.account_key = newest.account_key and {0}.as_of_date = newest.as_of_date"
    evidence = _read(session, f"inner join {newest} {matched.format('evidence')}", window)
    bands_then = session.query(
        f"select scores.account_key, scores.risk_band, scores.held_band, scores.asked_band, scores.scored_on from computed.account_scores as scores"
        f" inner join {newest} {matched.format('scores')}",
        window,
    ).reindex(columns=["account_key", "risk_band", "held_band", "asked_band", "scored_on"])
    known = bands_then.set_index("account_key").reindex(evidence["account_key"])
    found = health.assess(evidence, rules)
    parts = np.concatenate([found.contributions, found.floor[:, None]], axis=1)
    return pd.DataFrame(
        {
            "as_of_date": pd.to_datetime(evidence["as_of_date"]).to_numpy(), "lean_risk": found.scores.lean_risk, "band": known["risk_band"].to_numpy(),
            "held": [float(bands.code(band)) for band in known["held_band"]], "asked": [float(bands.code(band)) for band in known["asked_band"]],
            "scored_on": pd.to_datetime(known["scored_on"]).to_numpy(), "audited_version": evidence["audited_version"].to_numpy(),
            "audited_lean_risk": numbers(evidence["audited_lean_risk"]),
            **{name: found.points[:, position] for position, name in enumerate(_POINTS)},
            **{name: parts[:, position] for position, name in enumerate(_PARTS)},
        },
        index=pd.Index(evidence["account_key"], name="account_key"),
    )  # fmt: skip


def _codes(column: Any) -> Any:
    import numpy as np

    return np.nan_to_num(numbers(column), nan=bands.NONE).astype(int)


def _dates(values: Any) -> list[date | None]:
    import pandas as pd

    return [None if value != value else value.date() for value in pd.to_datetime(pd.Series(values))]


def _texts(column: Any) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in column]
