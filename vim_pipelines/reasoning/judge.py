"""A second reader for customer texts: one yes-or-no question for each kind of promise, and every yes with the words that it rests on.

Another family of models than the writer's where there is a key for one, because a model is a poor judge of its own habits; else the same
vendor with another prompt. A yes holds the draft, a yes that cannot be shown in the text holds it
too (the reader was not reading), and so does a judge that gives no answer. No to every question lets go what the gates only doubt for its
words (`gates.DOUBTS`), and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, create_model

from vim_pipelines.core.hashing import sha256_json, sha256_text
from vim_pipelines.reasoning.gates import Finding
from vim_pipelines.reasoning.pricing import Provider
from vim_pipelines.reasoning.providers.calls import CallPurpose, CallRunner, Prompt, Vendor, parsed
from vim_pipelines.reasoning.providers.drafter import ModelDrafter
from vim_pipelines.reasoning.providers.make import make_runner, make_vendor, require_key
from vim_pipelines.reasoning.providers.request import fenced

if TYPE_CHECKING:
    from vim_pipelines.reasoning.providers.base import Drafter
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store

#: Which vendor is asked first, by who wrote; the other one stands in where it gives no answer.
OTHER_FAMILY: Mapping[Provider, tuple[Provider, Provider]] = {"anthropic": ("openai", "anthropic"), "openai": ("anthropic", "openai")}
LONGEST_QUOTE_SHOWN = 200


class Verdict(BaseModel):
    """The answer to one question."""

    model_config = ConfigDict(extra="forbid")
    answer: Literal["yes", "no"]
    quote: str


@dataclass(frozen=True)
class Questions:
    """The judge's prompt: what it is told, and its questions by category."""

    version: int
    system: str
    questions: tuple[tuple[str, str], ...]

    @property
    def sha256(self) -> str:
        """Identity of the prompt."""
        return sha256_json({"version": self.version, "system": self.system, "questions": [list(pair) for pair in self.questions]})

    @property
    def text(self) -> str:
        """The system block."""
        return self.system.strip() + "\n\nThe questions:\n" + "\n".join(f"- {category}: {question.strip()}" for category, question in self.questions)


@lru_cache
def load_questions(path: Path | None = None) -> Questions:
    """The questions that ship with the package, or those of `path`."""
    data = yaml.safe_load((path or Path(__file__).with_name("judge.yaml")).read_text(encoding="utf-8"))
    return Questions(int(data["version"]), str(data["system"]), tuple((str(name), str(text)) for name, text in data["questions"].items()))


@cache
def judgement_schema(questions: Questions) -> type[BaseModel]:
    """One `Verdict` for every question; an answer that leaves one out does not fit."""
    fields: dict[str, Any] = {category: (Verdict, ...) for category, _ in questions.questions}
    return create_model("Judgement", __config__=ConfigDict(extra="forbid"), **fields)


def read_verdicts(judgement: BaseModel, text: str) -> list[Finding]:
    """What a judgement of `text` objects to: every yes, whether its quotation stands in the text or not."""
    findings = []
    for category in type(judgement).model_fields:
        verdict: Verdict = getattr(judgement, category)
        if verdict.answer == "no":
            continue
        if verdict.quote.strip() and verdict.quote in text:
            findings.append(Finding("judge", f"{category}: the judge says yes", f"'{verdict.quote[:LONGEST_QUOTE_SHOWN]}'"))
        else:
            findings.append(Finding("judge", f"{category}: the judge says yes and quotes words that do not stand in the text", "document"))
    return findings


@dataclass
class Judge:
    """Reads customer texts with the first of `vendors` that answers. Close it."""

    runner: CallRunner
    vendors: Sequence[Vendor]
    questions: Questions

    async def findings(self, text: str, *, account_key: str, document: str, as_of: date) -> list[Finding]:
        """What is objected to in `text`; the same text is read once, whatever happens in between. Never raises for what a vendor does."""
        shown = fenced(text)
        schema, models = judgement_schema(self.questions), self.runner.catalogue.judges
        key = sha256_json(["judge", sha256_text(shown), self.questions.sha256, models[self.vendors[0].provider]])
        known = self.runner.ledger.finished(key)
        if known is not None:
            judgement, problem = parsed(known.text, schema)
            return [_unread(problem or "the judge refused to read it")] if judgement is None else read_verdicts(judgement, shown)
        prompt = Prompt(self.questions.text, f"<text>\n{shown}\n</text>", schema, f"judge-{self.questions.sha256[:16]}", key)
        purpose = CallPurpose(key, account_key, document, self.questions.sha256, as_of, "judge")
        asked = await self.runner.ask(self.vendors, lambda vendor: models[vendor.provider], prompt, purpose, self.runner.catalogue.judge_max_tokens)
        return [_unread(asked.reason)] if asked.value is None else read_verdicts(asked.value, shown)

    async def aclose(self) -> None:
        """Close connections."""
        for vendor in self.vendors:
            await vendor.aclose()


def _unread(reason: str | None) -> Finding:
    return Finding("judge", f"no judge has read it: {reason or 'no answer'}", "document")


def make_judge(settings: Settings, store: Store, as_of: date, now: datetime, *, drafter: Drafter | None = None) -> Judge | None:
    """The judge by `VIMOTION_JUDGE` and the keys, or None where there is none. Raises VIM-E001 for a vendor named without its key.

    `drafter`: whoever writes in this run; the judge is of the other family and spends from the same purse.
    """
    if settings.judge == "off":
        return None
    writer = drafter if isinstance(drafter, ModelDrafter) else None
    if settings.judge == "auto":
        order: Sequence[Provider] = OTHER_FAMILY[writer.vendors[0].provider if writer is not None else "anthropic"]
    else:
        require_key(settings, "judge", "anthropic_api_key" if settings.judge == "claude" else "openai_api_key")
        order = ("anthropic",) if settings.judge == "claude" else ("openai",)
    vendors = [vendor for provider in order if (vendor := make_vendor(settings, provider)) is not None]
    if not vendors:
        return None
    return Judge(writer.runner if writer is not None else make_runner(settings, store, as_of, now), vendors, load_questions())
