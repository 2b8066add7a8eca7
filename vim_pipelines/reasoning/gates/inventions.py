"""How much a sentence reads like trouble of the customer's that somebody made up: a linear score, learned from written examples.

A lexicon of troubles never ends: of sixty in fresh words the lists of `risk_words.py` and the rule about people without a fact found
thirty-eight. This net turns the question round and starts from what internal plans say without a figure: it knows their words (`Inventions.known`) and learned how
their sentences differ from claims about the customer. A sentence made of known words only is left to the other nets; one that holds another
word is held if it reads more like a claim. The features are those of `likeness.py` and, besides, how many words a plan has no use for.

It is a guess. It reads internal documents, where no judge follows it: what it holds is written once more, and then by the offline drafter.
`inventions.json` holds the weights, made by `make likeness` from `inventions.yaml`; a test keeps the two together.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vim_pipelines.reasoning.gates.likeness import Likeness, features
from vim_pipelines.reasoning.gates.words import fold

WEIGHTS = Path(__file__).with_name("inventions.json")
EXAMPLES = Path(__file__).with_name("inventions.yaml")
#: Shorter sentences say too little to be judged by their words.
_FEWEST_WORDS = 3
_WORDS = re.compile(r"[a-z']+")
#: A capital inside a sentence: a name, of which no example can know anything.
_NAMES = re.compile(r"(?<=[a-z,;:] )[A-Z][\w']*(?: (?:& )?[A-Z]\w+)*")
_SLOTS = re.compile(r"\{\{[A-Za-z_0-9.]+\}\}")
#: From so many words on that no plan uses, more make no difference; and the share of the words from which there are many.
_MOST_NEW, _MANY = 4, 0.2


@dataclass(frozen=True)
class Inventions:
    """The learned score and the words that plans use."""

    likeness: Likeness
    known: frozenset[str]

    def score(self, sentence: str) -> float | None:
        """The score of a sentence with slots, or None where there is nothing to judge: a question, a fragment, known words only."""
        plain = unnamed(sentence)
        said = _WORDS.findall(_SLOTS.sub(" ", plain).casefold())
        new = unknown_words(plain, self.known)
        if len(said) < _FEWEST_WORDS or not new or sentence.rstrip().rstrip("\"')").endswith("?"):
            return None
        weights = self.likeness.weights
        found = [weight for feature in features_of(plain, self.known) if (weight := weights.get(feature)) is not None]
        return float(sum(found) / max(len(found), 1) ** 0.5 + self.likeness.intercept)

    def is_like(self, sentence: str) -> bool:
        """Whether the sentence reads like a claim about the customer."""
        score = self.score(sentence)
        return score is not None and score >= self.likeness.threshold


def unnamed(sentence: str) -> str:
    """The sentence, folded, with `name` for what bears a capital inside it."""
    return _NAMES.sub("name", fold(sentence))


def unknown_words(plain: str, known: frozenset[str] | set[str]) -> list[str]:
    """The words that are not known."""
    return [word for word in _WORDS.findall(_SLOTS.sub(" slot ", plain).casefold()) if word not in known]


def features_of(plain: str, known: frozenset[str] | set[str]) -> set[str]:
    """Those of `likeness.features`, and how many of the words are unknown."""
    new, said = unknown_words(plain, known), _WORDS.findall(_SLOTS.sub(" slot ", plain).casefold())
    found = features(plain) | {f"@unknown {count}" for count in range(1, min(len(new), _MOST_NEW) + 1)}
    return found | {"@many unknown"} if said and len(new) / len(said) > _MANY else found


@lru_cache
def load_inventions(path: Path = WEIGHTS) -> Inventions:
    """The weights that ship with the package."""
    data = json.loads(path.read_text(encoding="utf-8"))
    likeness = Likeness({str(name): float(weight) for name, weight in data["weights"].items()}, data["intercept"], data["threshold"], data["examples_sha256"])
    return Inventions(likeness, frozenset(data["known"]))
