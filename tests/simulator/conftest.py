"""The fixtures of `raw_sandbox`, under the name that pytest looks for."""

from raw_sandbox import portfolio, raw, sandbox, truth

__all__ = ["portfolio", "raw", "sandbox", "truth"]
