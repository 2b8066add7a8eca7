"""A human's word, bound to the exact text."""
