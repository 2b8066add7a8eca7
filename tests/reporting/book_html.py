"""What stands in a page of the book, for the tests that look for what must not: one parser, so that no test reads less than another."""

from functools import cached_property
from html.parser import HTMLParser


class Tags(HTMLParser):
    """Every tag with its attributes as they stand (the same one twice, too), and the texts of script elements."""

    def __init__(self, text):
        super().__init__()
        self._elements, self.scripts, self._is_script = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._elements.append((tag, attrs))
        self._is_script = tag == "script"

    def handle_endtag(self, tag):
        self._is_script = self._is_script and tag != "script"

    def handle_data(self, data):
        if self._is_script and data.strip():
            self.scripts.append(data)

    @cached_property
    def tags(self):
        """Tags with their attributes by name."""
        return [(tag, dict(attrs)) for tag, attrs in self._elements]

    @cached_property
    def names(self):
        """`tag` and `tag attribute`."""
        return {name for tag, attrs in self._elements for name in (tag, *(f"{tag} {key}" for key, _ in attrs))}

    @cached_property
    def addresses(self):
        """What the page links to or loads."""
        return {value for _, attrs in self._elements for key, value in attrs if key in ("href", "src")}
