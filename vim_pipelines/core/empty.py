"""How the marts write that something was looked for and is not there; NULL says that nobody looked."""

from __future__ import annotations

#: An empty list, a person who does not exist, a day on which nothing is planned. Customers read of a feature called "none" before this had a name.
EMPTY_LIST = "none"
