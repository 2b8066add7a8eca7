"""Backtests and evals against planted truth; reads ground truth by file path only."""
