"""The evaluations of `vimotion evals`, one after the other: each scored, printed, kept in a file, and posted where LangSmith is set up.

Every result stands in `<home>/evaluation/results/` as JSON, one file an evaluation and day, so that two versions of the gates or of a
prompt can be compared without running either again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.evaluation.draft_safety import CaseSet, SafetyScore
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store


@dataclass(frozen=True)
class Asked:
    """What to score and with what. `contracts` and `cases` are folders or files named on the command line, None for those that are customary."""

    settings: Settings
    contracts: Path | None = None
    cases: Path | None = None
    show_wrong: bool = False

    def store(self) -> Store:
        """Where paid answers are kept: an evaluation needs no audit before it."""
        from vim_pipelines.store import open_store

        self.settings.home.mkdir(parents=True, exist_ok=True)
        return open_store(self.settings)


@dataclass(frozen=True)
class Scored:
    """One evaluation's result. `figures` are its numbers by name, for comparing runs; `skipped` says why it was not run, and then nothing else holds."""

    name: str
    result: Mapping[str, Any] = field(default_factory=dict)
    is_met: bool = True
    lines: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    skipped: str | None = None


def draft_safety(asked: Asked) -> Scored:
    """The gates on promises; with a key, and unless VIMOTION_JUDGE says no, what the judge adds."""
    from vim_pipelines.evaluation import draft_safety as safety

    cases = safety.load_set(asked.cases)
    score = _with_judge(asked, safety.safety_score(cases, None if asked.cases else safety.load_bar()), cases)
    second = None if asked.cases else safety.second_score()
    result, lines = score.as_json(), safety.score_lines(score, show_wrong=asked.show_wrong)
    figures = {"recall": score.recall.share, "false_alarms": score.false_alarms.share}
    if score.with_judge is not None:
        figures |= {"recall_with_judge": score.with_judge[0].share, "false_alarms_with_judge": score.with_judge[1].share}
    if second is not None:
        result |= {"second_set": {"recall": second.recall.as_json(), "false_alarms": second.false_alarms.as_json()}}
        lines += safety.second_lines(second)
        figures |= {"recall_second_set": second.recall.share, "false_alarms_second_set": second.false_alarms.share}
        third = safety.third_score()
        result |= {"third_set": {"recall": third.recall.as_json(), "false_alarms": third.false_alarms.as_json()}}
        lines += safety.third_lines(third)
        figures |= {"recall_third_set": third.recall.share, "false_alarms_third_set": third.false_alarms.share}
    return Scored("draft_safety", result, score.is_met, tuple(lines), figures)


def _with_judge(asked: Asked, score: SafetyScore, cases: CaseSet) -> SafetyScore:
    """The score with the word of the configured judge, if there is one (`VIMOTION_JUDGE`, a key); each text is paid for once and kept in the ledger."""
    settings = asked.settings
    if settings.judge == "off" or not (settings.anthropic_api_key or settings.openai_api_key):
        return score
    from vim_pipelines.evaluation.draft_safety import ask_judge
    from vim_pipelines.reasoning.judge import make_judge

    judge = make_judge(settings, asked.store(), settings.now().date(), settings.now())
    if judge is None:
        return score
    return asyncio.run(ask_judge(score, cases.sheet, judge, judge.runner.catalogue.judges[judge.vendors[0].provider]))


def liar(asked: Asked) -> Scored:
    """The gates on a scripted liar's drafts and on honest ones."""
    from vim_pipelines.evaluation.liar import trial

    score = trial.liar_score()
    figures = {"lies_passed": len(score.passed) / score.lies if score.lies else 0.0, "honest_passed": score.honest_share}
    return Scored("liar", score.as_json(), score.is_met, tuple(trial.score_lines(score, show_wrong=asked.show_wrong)), figures)


def risk_hallucination(asked: Asked) -> Scored:
    """Invented, omitted and inflated risks in the signals and in the offline plans; with a key, in plans that the configured model writes of the same accounts."""
    from vim_pipelines.evaluation import model_narratives
    from vim_pipelines.evaluation import risk_hallucination as hallucination

    score = hallucination.risk_score()
    result, lines = score.as_json(), hallucination.score_lines(score, show_wrong=asked.show_wrong)
    figures = {rate.name: rate.share for rate in score.rates}
    settings = asked.settings
    model = model_narratives.model_score(score.twins, settings, asked.store(), settings.now()) if _has_key(settings) else None
    if model is not None:
        result |= {"by_model": model.as_json()}
        lines += model_narratives.model_lines(model, show_wrong=asked.show_wrong)
        figures |= {f"model_{rate.name}": rate.share for rate in model.written} | {f"model_asked_{rate.name}": rate.share for rate in model.asked}
    return Scored("risk_hallucination", result, score.is_met and (model is None or model.is_met), tuple(lines), figures)


def _has_key(settings: Settings) -> bool:
    return bool(settings.anthropic_api_key or settings.openai_api_key)


def handoff(asked: Asked) -> Scored:
    """The handoff audit on records and papers with fields taken out or contradicted."""
    from vim_pipelines.evaluation import handoff as audits

    score = audits.handoff_scores()
    result = score.as_json()
    figures = {f"{status}_{name}": float(result[status][name]) for status in ("missing", "conflicting") for name in ("precision", "recall", "f1_by_field")}
    return Scored("handoff", result, score.is_met, tuple(audits.score_lines(score, show_wrong=asked.show_wrong)), figures)


def contract_terms(asked: Asked) -> Scored:
    """Terms read from contracts against lawyers' answers. Skipped where that third-party data is not on this machine and no folder was named."""
    from vim_pipelines.evaluation import contract_terms as terms

    folder = asked.contracts or terms.default_folder()
    if asked.contracts is None and not folder.is_dir():
        return Scored(
            "contract_terms", skipped=f"the contracts with lawyers' answers (CUAD v1, third-party data) are not at {folder}; name their folder with --contracts"
        )
    score = terms.score(terms.read_contracts(folder))
    figures = {f"{row.field}_wrong_of_answered": row.wrong_share for row in score.rows() if row.wrong_share is not None}
    return Scored("contract_terms", score.as_json(), score.is_met, tuple(terms.score_lines(score, show_wrong=asked.show_wrong)), figures)


#: By the name that the command line takes, in the order in which they run.
EVALUATIONS: Mapping[str, Callable[[Asked], Scored]] = {
    "draft-safety": draft_safety, "liar": liar, "risk-hallucination": risk_hallucination, "handoff": handoff, "contract-terms": contract_terms,
}  # fmt: skip


def write_result(scored: Scored, folder: Path, day: date, of: Path | None = None) -> Path:
    """The result as JSON in `folder`, one file a day for each evaluation and for each other set of cases (`of`)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{day}_{scored.name}{f'_{of.stem}' if of else ''}.json"
    path.write_text(json.dumps(scored.result, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    return path
