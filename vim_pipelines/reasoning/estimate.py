"""What a night would cost, before it costs anything: drafts called for, calls, tokens and dollars by document, beside what the budgets leave.

Two figures, never one. `low` is a night in which all goes well: prompts at four characters for a token, the system block read from the
vendor's cache by all calls but the first of a document, answers as long as the offline drafter's of the same account, batch prices
where a batch would carry them. `high` is the dearest that can happen to a draft: nothing cached, every answer as long as it may be, each
draft repaired once, each version judged. The run reserves by the dearest outcome too, so it stops before `high`, not after it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from vim_pipelines.core.errors import VimError
from vim_pipelines.core.money import known_sum
from vim_pipelines.reasoning.judge import OTHER_FAMILY, load_questions, make_judge
from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.playbooks import Playbook
from vim_pipelines.reasoning.pricing import ModelCatalogue, Usage, load_models
from vim_pipelines.reasoning.providers import offline
from vim_pipelines.reasoning.providers.base import Drafter, DraftRequest
from vim_pipelines.reasoning.providers.calls import CHARACTERS_PER_TOKEN
from vim_pipelines.reasoning.providers.drafter import ModelDrafter
from vim_pipelines.reasoning.providers.make import make_drafter, make_vendors, model_warning
from vim_pipelines.reasoning.providers.offline import OfflineDrafter
from vim_pipelines.reasoning.providers.request import draft_prompt
from vim_pipelines.reasoning.reading import newest_as_of
from vim_pipelines.reasoning.run import plan_drafts

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store
    from vim_pipelines.warehouse.base import Warehouse

FEWEST_CHARACTERS, MOST_CHARACTERS = Decimal(4), CHARACTERS_PER_TOKEN
#: Prompts measured for each document; ten thousand of one kind are like these.
SAMPLE = 40
#: A judge answers ten questions; tokens of ten times "no", and of ten quotations.
JUDGE_ANSWER = (180, 900)
#: Versions of a draft that can be paid for: the first, and one repair.
VERSIONS = 2

Way = Literal["live", "batch"]


@dataclass(frozen=True)
class Line:
    """One document with one model. Tokens are sums over its drafts; costs None where a price is not known."""

    document: str
    model: str
    way: Way
    drafts: int
    prompt_tokens_low: int
    prompt_tokens_high: int
    output_tokens_low: int
    output_tokens_high: int
    cost_low_usd: Decimal | None
    cost_high_usd: Decimal | None


@dataclass(frozen=True)
class Estimate:
    """What some drafts would cost. `paid_before` are drafts whose answer is in the ledger already: no call."""

    lines: tuple[Line, ...]
    paid_before: int = 0

    @property
    def cost_low_usd(self) -> Decimal | None:
        """All lines; None where one is not known."""
        return known_sum(line.cost_low_usd for line in self.lines)

    @property
    def cost_high_usd(self) -> Decimal | None:
        """All lines; None where one is not known."""
        return known_sum(line.cost_high_usd for line in self.lines)


def estimate(
    requests: Sequence[DraftRequest],
    *,
    model_of: Callable[[Playbook], str],
    day: date,
    batch_from: int | None = None,
    judge_model: str | None = None,
    paid_before: int = 0,
    catalogue: ModelCatalogue | None = None,
) -> Estimate:
    """The cost of writing `requests` at the prices of `day`. From `batch_from` requests on a batch carries them; customer texts are judged by `judge_model`, live."""
    catalogue = catalogue or load_models()
    way: Way = "batch" if batch_from is not None and len(requests) >= batch_from else "live"
    grouped: dict[str, list[DraftRequest]] = defaultdict(list)
    for request in requests:
        grouped[request.playbook.id].append(request)
    lines = [_drafts(catalogue, group, model_of(group[0].playbook), day, way) for _, group in sorted(grouped.items())]
    if judge_model is not None:
        customers = [group for _, group in sorted(grouped.items()) if group[0].playbook.audience == "customer"]
        lines += [_judged(catalogue, group, judge_model, day) for group in customers]
    return Estimate(tuple(lines), paid_before)


def _drafts(catalogue: ModelCatalogue, group: Sequence[DraftRequest], model: str, day: date, way: Way) -> Line:
    count, sample = len(group), group[:: max(1, len(group) // SAMPLE)][:SAMPLE]
    prompts = [draft_prompt(request) for request in sample]
    shared = len(prompts[0].system) + len(json.dumps(prompts[0].schema.model_json_schema()))
    own = sum(len(prompt.user) for prompt in prompts) / len(prompts)
    answers = [len(offline.write(request.playbook, request.sheet).model_dump_json()) for request in sample]
    answer = int(sum(answers) / len(answers) / float(FEWEST_CHARACTERS))
    spec, is_batch = catalogue.spec(model), way == "batch"
    shared_low, own_low = int(shared / float(FEWEST_CHARACTERS)), int(own / float(FEWEST_CHARACTERS))
    whole_high = int((shared + own) / float(MOST_CHARACTERS))
    first = spec.cost(Usage(own_low, answer, cache_write_tokens=shared_low), day, is_batch=is_batch)
    # a batch's items run side by side: whether one finds another's prefix is luck, so none is reckoned with
    next_usage = Usage(own_low, answer, cache_write_tokens=shared_low) if is_batch else Usage(own_low, answer, cache_read_tokens=shared_low)
    following = spec.cost(next_usage, day, is_batch=is_batch)
    dearest = spec.cost(Usage(output_tokens=catalogue.max_tokens, cache_write_tokens=whole_high), day)
    return Line(
        group[0].playbook.id, model, way, count, (shared_low + own_low) * count, whole_high * count * VERSIONS, answer * count, catalogue.max_tokens * count * VERSIONS,
        None if first is None or following is None else first + following * (count - 1), None if dearest is None else dearest * count * VERSIONS,
    )  # fmt: skip


def _judged(catalogue: ModelCatalogue, group: Sequence[DraftRequest], model: str, day: date) -> Line:
    count, sample = len(group), group[:SAMPLE]
    # the rendered text shows values and headings where the document has slots and field names: about as long
    text = sum(len(offline.write(request.playbook, request.sheet).model_dump_json()) for request in sample) / len(sample)
    shared, spec = len(load_questions().text), catalogue.spec(model)
    low, high = (
        Usage(int((shared + text) / float(FEWEST_CHARACTERS)), JUDGE_ANSWER[0]),
        Usage(0, catalogue.judge_max_tokens, 0, int((shared + text * 2) / float(MOST_CHARACTERS))),
    )
    cost_low, cost_high = spec.cost(low, day), spec.cost(high, day)
    return Line(
        f"judge of {group[0].playbook.id}", model, "live", count, low.prompt_tokens * count, high.prompt_tokens * count * VERSIONS, low.output_tokens * count,
        high.output_tokens * count * VERSIONS, None if cost_low is None else cost_low * count, None if cost_high is None else cost_high * count * VERSIONS,
    )  # fmt: skip


@dataclass(frozen=True)
class NightEstimate:
    """What tonight would cost as far as the newest marts say. `has_key` false: the offline drafter writes, and the figures are what a key would cost."""

    as_of: date
    writers: tuple[str, ...]
    has_key: bool
    why_off: str | None
    estimate: Estimate
    unchanged: int
    cut: int
    waiting: int
    night_spent_usd: Decimal
    night_budget_usd: Decimal
    month_spent_usd: Decimal
    month_budget_usd: Decimal
    weekly_capacity: int = 0
    model_warning: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As plain values, with the totals."""
        return asdict(self) | {"cost_low_usd": self.estimate.cost_low_usd, "cost_high_usd": self.estimate.cost_high_usd, "verdict": self.verdict}

    @property
    def verdict(self) -> str:
        """Whether the budgets last, in words."""
        left = min(self.night_budget_usd - self.night_spent_usd, self.month_budget_usd - self.month_spent_usd)
        low, high = self.estimate.cost_low_usd, self.estimate.cost_high_usd
        if not self.has_key:
            return "No key is set: the offline drafter writes, and nothing is paid."
        if low is None or high is None:
            return "A price is not known: the budgets reckon with the dearest model; add the price to models.yaml."
        if high <= left:
            return "The budgets last even for the dearest outcome."
        if low <= left:
            return f"The budgets last for an ordinary night; {left:.2f} USD are left, and what does not fit is written offline."
        return f"The budgets do not last: {left:.2f} USD are left. What does not fit is written offline."


class _Would:
    """Names the models that would write if there were a key; the drafts of the offline drafter have keys of their own."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._catalogue = settings, load_models()

    def model_for(self, playbook: Playbook) -> str:
        provider = "openai" if self._settings.drafter in ("openai", "openai_first") else "anthropic"
        return self._settings.model or self._catalogue.tiers[provider][playbook.model_tier]

    async def draft(self, request: DraftRequest) -> Any:
        raise NotImplementedError("an estimate writes nothing")

    async def aclose(self) -> None:
        return None


def estimate_night(
    warehouse: Warehouse, store: Store, settings: Settings, now: datetime, *, as_of: date | None = None, account: str | None = None
) -> NightEstimate:
    """What the drafts of the newest as-of date would cost; makes no call and writes nothing. Raises VIM-E024 without marts, VIM-E033 for another date.

    With `account`: what drafting this account anew would cost, whether or not its facts have changed.
    """
    with warehouse.session(read_only=True) as session:
        newest = newest_as_of(session)
    if newest is None:
        raise VimError("VIM-E024", "The marts hold no account yet", fix="Run vimotion audit first (VIMOTION_DRAFTER=offline costs nothing)")
    as_of = as_of or newest
    vendors = make_vendors(settings)
    writer: Drafter = make_drafter(settings, store, as_of, now) if vendors else OfflineDrafter()
    shown: Drafter = writer if vendors else _Would(settings)
    ledger, catalogue = Ledger(store), load_models()
    jobs, report = plan_drafts(warehouse, store, settings, as_of, shown, accounts=None if account is None else [account], anew=account is not None)
    unpaid = [job.request for job in jobs if ledger.finished(job.request.draft_key) is None]
    first = vendors[0].provider if vendors else "anthropic"
    judge = make_judge(settings, store, as_of, now, drafter=writer)
    judge_provider = judge.vendors[0].provider if judge is not None else OTHER_FAMILY[first][1] if settings.judge != "off" and not vendors else None
    found = estimate(
        unpaid, model_of=shown.model_for, day=now.date(), batch_from=settings.batch_from if first == "anthropic" else None,
        judge_model=catalogue.judges[judge_provider] if judge_provider else None, paid_before=len(jobs) - len(unpaid), catalogue=catalogue,
    )  # fmt: skip
    why_off = writer.runner.why_off() if isinstance(writer, ModelDrafter) else None
    return NightEstimate(
        as_of, tuple(vendor.label for vendor in vendors) or ("offline drafter",), bool(vendors), why_off, found, report.reused, len(report.cut), report.waiting,
        ledger.spent(as_of), settings.budget_usd, ledger.spent_in_month(now), settings.month_budget_usd, settings.weekly_capacity, model_warning(settings),
    )  # fmt: skip


def estimate_lines(night: NightEstimate) -> list[str]:
    """The estimate for people."""
    total, drafts = night.estimate, sum(line.drafts for line in night.estimate.lines if not line.document.startswith("judge of "))
    lines = [
        f"Estimate for {night.as_of}, as far as the marts say; no call is made.",
        f"{drafts} drafts to write by {', then '.join(night.writers)}; {night.unchanged} unchanged, {total.paid_before} paid before, {night.waiting} in a batch, "
        f"{night.cut} beyond the weekly capacity.",
    ]
    if not drafts and night.cut:
        lines.append(
            f"The week's capacity of {night.weekly_capacity} drafts (VIMOTION_WEEKLY_CAPACITY) is used up: {night.cut} are called for and wait for the next week."
        )
    if night.model_warning:
        lines.append(f"Warning: {night.model_warning}")
    if night.why_off:
        lines.append(f"No call would be made: {night.why_off}.")
    if total.lines and not night.has_key:
        lines.append("With a key they would cost:")
    if total.lines:
        rows = [("document", "model", "way", "drafts", "tokens in", "tokens out", "USD")]
        rows += [
            (
                line.document, line.model, line.way, str(line.drafts), f"{line.prompt_tokens_low:,}-{line.prompt_tokens_high:,}",
                f"{line.output_tokens_low:,}-{line.output_tokens_high:,}", _range(line.cost_low_usd, line.cost_high_usd),
            )
            for line in total.lines
        ]  # fmt: skip
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [
            "  ".join(f"{cell:<{width}}" if column < 3 else f"{cell:>{width}}" for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        lines.append(f"Together {_range(total.cost_low_usd, total.cost_high_usd)} USD (all well - the dearest that can happen).")
    lines.append(
        f"Budgets: this night {night.night_spent_usd:.4f} of {night.night_budget_usd} USD spent, this month {night.month_spent_usd:.4f} of {night.month_budget_usd}."
    )
    return [*lines, night.verdict]


def _range(low: Decimal | None, high: Decimal | None) -> str:
    return "unknown" if low is None or high is None else f"{low:.4f}-{high:.4f}"
