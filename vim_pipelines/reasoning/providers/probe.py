"""One call of one token to a vendor of language models: whether key, model and way there are good, before a night finds out that they are not.

It goes through the same client as a draft, so that the address, the proxy and the key are those of the night. It is not written to the ledger: it
costs less than a thousandth of a cent, and the doctor changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vim_pipelines.reasoning.pricing import Provider, load_models
from vim_pipelines.reasoning.providers.calls import Failure, failure_of
from vim_pipelines.reasoning.providers.claude import Claude
from vim_pipelines.reasoning.providers.openai import OpenAI

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

TIMEOUT_SECONDS = 20.0
#: The least that the Responses API takes.
OPENAI_TOKENS = 16


@dataclass(frozen=True)
class Probe:
    """Which model was asked, and what went wrong, if anything did."""

    model: str
    failure: Failure | None


def probe(settings: Settings, provider: Provider) -> Probe:
    """Ask `provider` for the shortest answer there is. Never raises for what the vendor or the network does."""
    catalogue = load_models()
    own = settings.model is not None and (settings.model not in catalogue.models or catalogue.models[settings.model].provider == provider)
    model = settings.model if own and settings.model is not None else catalogue.tiers[provider]["standard"]
    return Probe(model, asyncio.run(_asked(settings, provider, model)))


async def _asked(settings: Settings, provider: Provider, model: str) -> Failure | None:
    vendor: Any = (Claude if provider == "anthropic" else OpenAI)(settings, timeout_seconds=TIMEOUT_SECONDS)
    try:
        if provider == "anthropic":
            await vendor.client.messages.create(model=model, max_tokens=1, messages=[{"role": "user", "content": "."}])
        else:
            await vendor.client.responses.create(model=model, input=".", max_output_tokens=OPENAI_TOKENS, store=False)
    except Exception as error:
        return failure_of(error, vendor.cap(error))
    finally:
        await vendor.aclose()
    return None
