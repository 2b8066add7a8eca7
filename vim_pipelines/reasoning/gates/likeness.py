"""How much a customer's text reads like a promise: a linear score over words and parts of words, learned from written examples.

Patterns know the promises that somebody thought of; a promise that "goes on our tab" is found by its company. The score is a logistic
regression over the words, word pairs and word parts that a text holds, each counted once and the whole divided by the root of their
number, so that length does not count (S. Wang and C. Manning, "Baselines and Bigrams", ACL 2012, for binary features in short texts).
It is the one gate that is a guess: what it alone holds, the judge may let pass; without a judge it stays held.

`likeness.json` holds the weights, made by `make likeness` from `likeness_examples.yaml`; a test keeps the two together. The evaluation's
own cases are no examples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from pathlib import Path

from vim_pipelines.reasoning.gates.words import fold

WEIGHTS = Path(__file__).with_name("likeness.json")
EXAMPLES = Path(__file__).with_name("likeness_examples.yaml")
_TOKENS = re.compile(r"[a-z']+|[?!.,;:]")
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
#: Words longer than this are also looked at in parts, so that `uncharged` is known by `charged`.
_SHORT_WORD = 4
#: A passage of so few words says nothing alone; it is read with its neighbours.
_FEWEST_WORDS = 3


@dataclass(frozen=True)
class Likeness:
    """The learned score. `threshold` is the score from which a text is held; `examples_sha256` says what it was learned from."""

    weights: dict[str, float]
    intercept: float
    threshold: float
    examples_sha256: str

    def score(self, text: str) -> float:
        """The score of `text` (slots as the word `slot`): above 0 it is more like the promises than like the harmless examples."""
        known = [weight for feature in features(text) if (weight := self.weights.get(feature)) is not None]
        return sum(known) / sqrt(max(len(known), 1)) + self.intercept

    def worst(self, text: str) -> tuple[float, str]:
        """The highest score of the text as a whole, of its sentences and of neighbouring pairs, and the passage that has it."""
        return max((self.score(part) if len(_WORD.findall(part)) > _FEWEST_WORDS else self.intercept, part) for part in passages(text))


@lru_cache
def load_likeness(path: Path = WEIGHTS) -> Likeness:
    """The weights that ship with the package."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Likeness({str(name): float(weight) for name, weight in data["weights"].items()}, data["intercept"], data["threshold"], data["examples_sha256"])


def like_a_promise(text: str) -> Iterator[tuple[str, str]]:
    """(gate, what) where the text reads like a promise; slots stand as the word `slot`."""
    likeness = load_likeness()
    score, passage = likeness.worst(text)
    if score >= likeness.threshold:
        shown = passage if len(passage) <= 80 else passage[:79] + "…"
        yield "likeness", f"it reads like a promise or an internal view ({score - likeness.threshold:+.1f} above the line): {shown!r}"


def passages(text: str) -> list[str]:
    """The text as a whole, its sentences, and each two neighbours: a promise in one sentence of five must not drown."""
    sentences = [part for part in _SENTENCE.split(text.strip()) if part.strip()]
    if len(sentences) <= 1:
        return [text]
    pairs = [f"{first} {second}" for first, second in zip(sentences, sentences[1:], strict=False)]
    return list(dict.fromkeys([text, *pairs, *sentences]))


def features(text: str) -> set[str]:
    """Words, runs of two and three, pairs with one word between them, and parts of long words."""
    tokens = _TOKENS.findall(re.sub(r"\{\{[A-Za-z_0-9.]+\}\}", " slot ", fold(text)).casefold())
    found = {" ".join(tokens[at : at + length]) for length in (1, 2, 3) for at in range(len(tokens) - length + 1)}
    found |= {f"{tokens[at]} _ {tokens[at + 2]}" for at in range(len(tokens) - 2)}
    for token in set(tokens):
        if len(token) > _SHORT_WORD:
            marked = f"<{token}>"
            found |= {"#" + marked[at : at + length] for length in (4, 5) for at in range(len(marked) - length + 1)}
    return found
