"""The contract's text made readable for rules, with a way back to every original character.

Filed contracts come with lines broken anywhere, runs of blanks, typographic quotes and the filing's own footers ("Source: ACME, 10-K,
2/20/2012") in the middle of sentences: rules see one line with single blanks, and a quote is still the text as it stands.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

#: One character for one character, so that offsets hold.
PLAIN = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2013": "-",
        "\u2014": "-", "\u2011": "-", "\u2212": "-", "\u00ad": "-", "\u25cf": "\u2022", "\u2219": "\u2022", "\u00b7": "\u2022", "\u2026": "\u2022",
    }  # fmt: skip
)  # fmt: skip
LOWER = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})
#: The line that a filing repeats on each page, with the page's number before it; its date is the filing's, not the contract's.
FOOTER = re.compile(r"(?:\b\d{1,3}\s{1,20})?Source: [^\n]{1,160}?, \d{1,2}/\d{1,2}/\d{4}")
#: A rule drawn under a word or a heading, by a typewriter's means.
RULE = re.compile(r"[-=]{4,}")
GAP = re.compile(r"\s\s+|[^\S ]")
SENTENCE_END = re.compile(r"[.!?;][\"')\]]{0,2} (?=[A-Z\"'(\[\d_])")
ABBREVIATED = re.compile(
    r"(?:\b(?:inc|corp|ltd|llc|co|no|nos|sec|art|para|st|mr|mrs|ms|dr|vs|etc|jan|feb|mar|apr|april|jun|jul|aug|sept|sep|oct|nov|dec|u\.s|l\.p|n\.a|p\.m|a\.m|d\.b\.a|e\.g|i\.e|approx|attn|tel)|(?<!schedule )(?<!exhibit )(?<!appendix )(?<!annex )(?<!attachment )\b[a-z]|(?:january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2})$"
)
#: A longer sentence is read in pieces of this many characters: the work stays in proportion to the text, whatever the text.
LONGEST = 3000


@dataclass(frozen=True)
class Span:
    """Places in `Reading.flat`, end exclusive."""

    start: int
    end: int


class Reading:
    """One contract's text: `flat` is what rules read, `low` the same in ASCII lower case with the same offsets."""

    def __init__(self, text: str) -> None:
        self.text = text
        plain = text.translate(PLAIN)
        if "Source: " in plain:
            plain = FOOTER.sub(lambda footer: " " * (footer.end() - footer.start()), plain)
        plain = RULE.sub(lambda rule: " " * (rule.end() - rule.start()), plain)
        pieces: list[str] = []
        self._flat_ends, self._shifts, last, length = [0], [0], 0, 0
        for gap in GAP.finditer(plain):
            pieces += [plain[last : gap.start()], " "]
            length += gap.start() - last + 1
            last = gap.end()
            self._flat_ends.append(length)
            self._shifts.append(last - length)
        pieces.append(plain[last:])
        self.flat = "".join(pieces)
        lowered = self.flat.lower()
        # A few letters have a longer small form; offsets must hold.
        self.low = lowered if len(lowered) == len(self.flat) else self.flat.translate(LOWER)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in `text` of the characters start..end of `flat`, without blanks at either end."""
        while start < end and self.flat[start] == " ":
            start += 1
        while end > start and self.flat[end - 1] == " ":
            end -= 1
        if start == end:
            return self._place(start), self._place(start)
        return self._place(start), self._place(end - 1) + 1

    def _place(self, offset: int) -> int:
        return offset + self._shifts[bisect_right(self._flat_ends, offset) - 1]

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for end in SENTENCE_END.finditer(self.flat):
            if self.flat[end.start()] == "." and ABBREVIATED.search(self.low, max(0, end.start() - 24), end.start()):
                continue
            starts.append(end.end())
        pieces: list[int] = []
        for start, end_ in zip(starts, [*starts[1:], len(self.flat)], strict=True):
            pieces += range(start, max(end_, start + 1), LONGEST)
        return pieces

    def sentence(self, offset: int) -> Span:
        """The sentence around an offset, or the piece of it where it is longer than `LONGEST`."""
        index = bisect_right(self._starts, offset) - 1
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self.flat)
        return Span(self._starts[index], end)

    def sentences_with(self, *words: str) -> list[Span]:
        """The sentences that hold any of the words (lower case), in order, each once."""
        found = {self.sentence(offset) for word in words for offset in self.places(word)}
        return sorted(found, key=lambda span: (span.start, span.end))

    def places(self, word: str) -> Iterator[int]:
        """Offsets of a lower-case word or phrase; a plain search, so that a long text costs little."""
        offset = self.low.find(word)
        while offset >= 0:
            yield offset
            offset = self.low.find(word, offset + len(word))
