"""The few things that every slice shares and that must exist once: errors, hashes, money, dates.

Without this folder each slice grew its own: two hash functions made an approval refuse its own text in a prototype.
"""
