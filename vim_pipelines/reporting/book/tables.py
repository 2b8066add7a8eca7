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

STYLE_BLOCK = re.compile(r"<style\b.*?</style>", re.DOTALL)
STYLE_ATTRIBUTE = re.compile(r'(<[^<>]*?)\sstyle="[^"]*"')
NUMBER = re.compile(r"[-+$€£]?[\d,. ]+%?|unknown")


def static_table(table_id: str, head: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Markup:
    """Rows as a table with the columns of `head` (name to label). Empty where there are no rows. Every cell is escaped here: great-tables takes text for HTML."""
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
    return Markup(html)
