"""Static tables by great-tables, with the house's style sheet in place of the one that it writes into every table.

A page behind the inbox's policy may hold no inline style, and 12 rows with great-tables' own are 60 kB; what stays is its markup: head, body,
alignment by class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

from vim_pipelines.core.money import SYMBOLS

STYLE_BLOCK = re.compile(r"<style\b.*?</style>", re.DOTALL)
#: The entities of `escape`, escaped again: great-tables 1.1 escapes cells itself, others took them for HTML.
TWICE = re.compile(r"&amp;(amp|lt|gt|quot|#x27);")
STYLE_ATTRIBUTE = re.compile(r'(<[^<>]*?)\sstyle="[^"]*"')
#: A number, a share or an amount as `core.money` prints it: `-SEK 1,200.50`.
NUMBER = re.compile(rf"[-+]?(?:[{''.join(SYMBOLS.values())}]|[A-Z]{{3}} )?[\d,. ]+%?|unknown")


def static_table(table_id: str, head: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Rows as a table with the columns of `head` (name to label). Empty where there are no rows. Every cell is escaped here, whatever great-tables does."""
    if not rows:
        return Markup("")
    import pandas as pd
    from great_tables import GT

    frame = pd.DataFrame([{name: escape(str("" if row.get(name) is None else row.get(name))) for name in head} for row in rows])
    numbers = [name for name in head if all(NUMBER.fullmatch(text) for text in frame[name])]
    table = GT(frame, id=table_id).cols_label(dict(head)).cols_align("left", columns=[name for name in head if name not in numbers])
    table = table.cols_align("right", columns=numbers) if numbers else table
    html = STYLE_BLOCK.sub("", table.as_raw_html())
    while STYLE_ATTRIBUTE.search(html):
        html = STYLE_ATTRIBUTE.sub(r"\1", html)
    html = html.replace('<table class="gt_table"', '<table class="gt_table list"')  # on a phone each row is a card, each cell has its label
    for name, label in head.items():
        html = html.replace(f'<td headers="{table_id}-{name}"', f'<td data-label="{escape(label)}" headers="{table_id}-{name}"')
    return Markup(TWICE.sub(r"&\1;", html))
