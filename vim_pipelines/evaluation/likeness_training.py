"""Learns the weights of `reasoning/gates/likeness.py` and of `reasoning/gates/inventions.py` from their examples: `make likeness`.

Logistic regression (scikit-learn), classes weighed as if there were as many of each, a feature counted if three examples hold it, weights
rounded to two places. The score is then the logarithm of the odds that a passage is a promise.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vim_pipelines.core.hashing import sha256_text
from vim_pipelines.reasoning.gates import inventions
from vim_pipelines.reasoning.gates.likeness import EXAMPLES, WEIGHTS, Likeness, features, passages

#: The score from which a text is held. Chosen on the examples alone: of the steps of an eighth the lowest from which weights learned from four fifths of
#: them hold at most an eighth of the harmless rest, which was written to lie near the line (measured: 12.0 % held and 81 % of the promises; at 1.25, 8.5 % and 76 %).
LINE = 0.875
#: Examples that must hold a feature, so that a turn of one author does not count.
LEAST_EXAMPLES = 3
STRENGTH = 10.0
#: For claims about the customer: the examples are fewer, so a feature counts if two hold it, and the line is found on parts of the examples that the
#: weights have not seen: the lowest from which at most so many of the plain sentences are held.
LEAST_INVENTIONS = 2
PLAIN_HELD = 0.02
FOLDS = 10


@dataclass(frozen=True)
class Examples:
    """Texts and whether each is a promise (or an internal view)."""

    texts: tuple[str, ...]
    is_promise: tuple[bool, ...]
    sha256: str


def load_examples(path: Path = EXAMPLES) -> Examples:
    """`likeness_examples.yaml`: two lists of texts, `promises` and `harmless`."""
    text = path.read_text(encoding="utf-8")
    data: dict[str, list[str]] = yaml.safe_load(text)
    promises, harmless = data["promises"], data["harmless"]
    return Examples((*promises, *harmless), (True,) * len(promises) + (False,) * len(harmless), sha256_text(text))


def learn(examples: Examples) -> Likeness:
    """The weights that `examples` give. Deterministic."""
    weights, intercept = _fit(examples.texts, examples.is_promise)
    return Likeness(weights, round(intercept, 4), LINE, examples.sha256)


def write(path: Path = WEIGHTS) -> Likeness:
    """Learn anew and write the weights."""
    likeness = learn(load_examples())
    body: dict[str, Any] = {
        "examples_sha256": likeness.examples_sha256, "intercept": likeness.intercept, "threshold": likeness.threshold,
        "weights": dict(sorted(likeness.weights.items())),
    }  # fmt: skip
    path.write_text(json.dumps(body, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    write_inventions()
    return likeness


# --- claims about the customer ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claims:
    """Sentences, whether each claims trouble, and words that plans use anyhow."""

    texts: tuple[str, ...]
    is_claim: tuple[bool, ...]
    words: frozenset[str]
    sha256: str


def load_claims(path: Path = inventions.EXAMPLES) -> Claims:
    """`inventions.yaml`: `words`, and two lists of sentences, `troubles` and `plain`."""
    text = path.read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    troubles, plain = ([inventions.unnamed(sentence) for sentence in data[name]] for name in ("troubles", "plain"))
    return Claims((*troubles, *plain), (True,) * len(troubles) + (False,) * len(plain), frozenset(data["words"].split()), sha256_text(text))


def learn_inventions(claims: Claims) -> inventions.Inventions:
    """The weights, the known words and the line that `claims` give. Deterministic."""
    numbers = list(range(len(claims.texts)))
    random.Random(1).shuffle(numbers)
    scores: list[float] = []
    for fold in range(FOLDS):
        tested = set(numbers[fold::FOLDS])
        learned = _inventions(claims, [number for number in numbers if number not in tested], 0.0)
        found = [learned.score(claims.texts[number]) for number in sorted(tested) if not claims.is_claim[number]]
        scores += [float("-inf") if score is None else score for score in found]
    scores.sort(reverse=True)
    return _inventions(claims, numbers, round(scores[int(PLAIN_HELD * len(scores))] + 0.01, 2))


def _inventions(claims: Claims, numbers: Sequence[int], line: float) -> inventions.Inventions:
    """Learned from the examples of those `numbers`. A plain example's own words are unknown to it unless another one holds them."""
    said = {number: set(re.findall(r"[a-z']+", claims.texts[number].casefold())) for number in numbers}
    plain = Counter(word for number in numbers if not claims.is_claim[number] for word in said[number])
    rows = []
    for number in sorted(numbers):
        own = frozenset() if claims.is_claim[number] else said[number]
        known = claims.words | {word for word, count in plain.items() if count > (word in own)}
        rows.append((inventions.features_of(claims.texts[number], known), claims.is_claim[number]))
    weights, intercept = _learned(rows, LEAST_INVENTIONS)
    return inventions.Inventions(Likeness(weights, round(intercept, 4), line, claims.sha256), claims.words | frozenset(plain))


def write_inventions(path: Path = inventions.WEIGHTS) -> inventions.Inventions:
    """Learn anew and write the weights."""
    learned = learn_inventions(load_claims())
    body: dict[str, Any] = {
        "examples_sha256": learned.likeness.examples_sha256, "intercept": learned.likeness.intercept, "threshold": learned.likeness.threshold,
        "known": sorted(learned.known), "weights": dict(sorted(learned.likeness.weights.items())),
    }  # fmt: skip
    path.write_text(json.dumps(body, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    return learned


# --- regression -----------------------------------------------------------------------------------------------------------------


def _fit(texts: Sequence[str], labels: Sequence[bool]) -> tuple[dict[str, float], float]:
    return _learned(
        [(features(part), label) for text, label in zip(texts, labels, strict=True) for part in ([text] if label else passages(text))], LEAST_EXAMPLES
    )


def _learned(rows: Sequence[tuple[set[str], bool]], least: int) -> tuple[dict[str, float], float]:
    """Weights rounded to two places, and the intercept."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    seen = Counter(feature for found, _ in rows for feature in found)
    names = sorted(feature for feature, count in seen.items() if count >= least)
    model = LogisticRegression(C=STRENGTH, max_iter=3000, class_weight="balanced").fit(
        _matrix([found for found, _ in rows], names), np.array([label for _, label in rows])
    )
    weights = {name: round(float(weight), 2) for name, weight in zip(names, model.coef_[0], strict=True)}
    return {name: weight for name, weight in weights.items() if weight}, float(model.intercept_[0])


def _matrix(rows: Sequence[set[str]], names: Sequence[str]) -> Any:
    from scipy.sparse import csr_matrix

    place = {name: at for at, name in enumerate(names)}
    known = [sorted(place[feature] for feature in row if feature in place) for row in rows]
    values = [1 / max(len(row), 1) ** 0.5 for row in known for _ in row]
    return csr_matrix((values, [at for row in known for at in row], _ends(known)), shape=(len(rows), len(names)))


def _ends(rows: Sequence[Sequence[int]]) -> list[int]:
    """Where each row begins and the last one ends."""
    ends = [0]
    for row in rows:
        ends.append(ends[-1] + len(row))
    return ends
