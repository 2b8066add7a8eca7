"""Every value stands under its own name: a swapped fact is a true number in a false sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vim_pipelines.reasoning.facts import FactSheet
from vim_pipelines.reasoning.gates.base import SLOT, clauses

#: The two money figures differ by headroom; a sentence that prints one must say which. (metric, words, name)
_MONEY_FAMILIES = (
    ("unused_value_annual", re.compile(r"\b(?:unused|idle|not in use|nobody uses|without a user)\b", re.I), "unused seats"),
    ("waste_annual", re.compile(r"\b(?:right[- ]size|right size|headroom|gap)\b", re.I), "the right-size gap with headroom"),
)


def misnamed(text: str, sheet: FactSheet) -> Iterator[tuple[str, str]]:
    """(gate, what) for every slot of `text` that does not stand under its own name."""
    for sentence in clauses(text):
        metrics = {fact.metric for handle in SLOT.findall(sentence) if (fact := sheet.facts.get(handle)) is not None}
        for metric, family, name in _MONEY_FAMILIES:
            if metric in metrics and not family.search(sentence):
                yield "money_label", f"a sentence shows {metric} without saying that it is {name}"
