"""Value-in-Motion: the nightly portfolio audit of a Customer Success organisation.

The folders follow the way of the data; `docs/explanation/house.md` shows the map. Importing this package imports nothing heavy.
"""

__version__ = "0.1.0"
