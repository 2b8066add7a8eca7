"""Measurements that people run by hand: figures and ratios of one run, never limits asserted in a test."""
