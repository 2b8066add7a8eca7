"""Which page shows whose account: the inbox lets a person with limits read no other."""

#: A file of the book that is no page, and is not served.
ACCESS = "access.json"
