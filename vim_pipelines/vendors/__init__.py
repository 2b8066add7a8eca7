"""Thin clients of the systems we read and write: one module per vendor, one shared policy for retries, limits and errors."""
