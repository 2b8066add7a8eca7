"""Who writes in this installation: the settings, the keys, the switch and the budgets put together, once for all that call models."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING

from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.ledger import Ledger
from vim_pipelines.reasoning.pricing import ModelCatalogue, Provider, load_models
from vim_pipelines.reasoning.providers.base import Drafter
from vim_pipelines.reasoning.providers.budget import Budget
from vim_pipelines.reasoning.providers.calls import CallRunner, Vendor
from vim_pipelines.reasoning.providers.claude import Claude
from vim_pipelines.reasoning.providers.drafter import ModelDrafter
from vim_pipelines.reasoning.providers.offline import OfflineDrafter
from vim_pipelines.reasoning.providers.openai import OpenAI
from vim_pipelines.settings import environment_variable
from vim_pipelines.store.switches import LlmSwitch

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.store.engine import Store


log = logging.getLogger(__name__)


def make_drafter(settings: Settings, store: Store, as_of: date, now: datetime) -> Drafter:
    """Who writes, by `VIMOTION_DRAFTER` and the keys. Raises VIM-E001 if a vendor is asked for by name without its key."""
    vendors = make_vendors(settings)
    if not vendors:
        return OfflineDrafter()
    warning = model_warning(settings)
    if warning is not None:
        log.warning("%s", warning)
    return ModelDrafter(make_runner(settings, store, as_of, now), vendors, settings.model)


def make_vendors(settings: Settings) -> list[Vendor]:
    """The vendors that may write, the first of them first; none where the offline drafter does. Raises VIM-E001."""
    if settings.drafter in ("claude", "openai"):
        require_key(settings, "drafter", "anthropic_api_key" if settings.drafter == "claude" else "openai_api_key")
    order: dict[str, tuple[Provider, ...]] = {
        "auto": ("anthropic", "openai"),
        "openai_first": ("openai", "anthropic"),
        "claude": ("anthropic",),
        "openai": ("openai",),
    }
    return [vendor for provider in order.get(settings.drafter, ()) if (vendor := make_vendor(settings, provider)) is not None]


def require_key(settings: Settings, chooser: str, key: str) -> None:
    """Raise VIM-E001 if the vendor that the setting `chooser` names alone has no key (field names)."""
    if getattr(settings, key) is None:
        name, variable = environment_variable(chooser), environment_variable(key)
        raise VimError(
            "VIM-E001", f"The setting {variable} is missing", why=f"{name}={getattr(settings, chooser)} names this vendor and no other",
            fix=f"Set {variable}, or {name}=auto, which uses the keys that there are",
        )  # fmt: skip


def model_warning(settings: Settings, catalogue: ModelCatalogue | None = None) -> str | None:
    """What is wrong with VIMOTION_MODEL, or None: a model that is not in the catalogue is called, but nobody knows its price."""
    known = (catalogue or load_models()).models
    if settings.model is None or settings.model in known:
        return None
    near = get_close_matches(settings.model, sorted(known), n=1)
    meant = f" Did you mean {near[0]}?" if near else f" Known are {', '.join(sorted(known))}."
    return f"VIMOTION_MODEL={settings.model} is not in models.yaml: its price is unknown, and the budgets reckon with the dearest model.{meant}"


def make_vendor(settings: Settings, provider: Provider) -> Vendor | None:
    """A vendor, or None without its key."""
    if provider == "anthropic":
        return Claude(settings) if settings.anthropic_api_key is not None else None
    return OpenAI(settings) if settings.openai_api_key is not None else None


def make_runner(settings: Settings, store: Store, as_of: date, now: datetime) -> CallRunner:
    """What makes the calls of a run: its ledger, what is left of the night's and the month's budget, and the switch."""
    ledger = Ledger(store)
    return CallRunner(ledger, make_budget(settings, ledger, as_of, now), running_clock(now), LlmSwitch(store).why_off)


def make_budget(settings: Settings, ledger: Ledger, as_of: date, now: datetime) -> Budget:
    """The budgets as far as the ledger says that they are spent."""
    return Budget(settings.budget_usd, ledger.spent(as_of), settings.month_budget_usd, ledger.spent_in_month(now))


def running_clock(now: datetime) -> Callable[[], datetime]:
    """A clock that goes on from `now`, which may be the sandbox's fixed today: the calls of a run still follow each other in time."""
    started = time.monotonic()
    return lambda: now + timedelta(seconds=time.monotonic() - started)
