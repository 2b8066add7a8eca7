"""Row-wise statistics over accounts x weeks matrices with holes.

`numpy.nanmedian` walks row by row when there are holes; on ten thousand accounts that alone took longer than everything else in
the signals step, so the median of rows is taken here from one sort. A hole is NaN and means: not measured, or masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Rows handled at once where pairs of weeks are formed (26 weeks make 325 pairs): keeps the working set under 20 MB.
CHUNK_ROWS = 4096


def row_counts(values: Matrix) -> NDArray[np.int64]:
    """Number of measured values in each row."""
    counts: NDArray[np.int64] = np.isfinite(values).sum(axis=1).astype(np.int64)
    return counts


def row_median(values: Matrix) -> Vector:
    """Median of the measured values of each row; NaN for a row without any."""
    if values.shape[1] == 0:
        return np.full(values.shape[0], np.nan)
    ordered = np.sort(values, axis=1)  # NaN sorts last
    counts = row_counts(values)
    rows = np.arange(values.shape[0])
    low = np.maximum((counts - 1) // 2, 0)
    high = np.minimum(counts // 2, values.shape[1] - 1)
    return np.where(counts > 0, (ordered[rows, low] + ordered[rows, high]) / 2.0, np.nan)


def row_mean(values: Matrix) -> Vector:
    """Mean of the measured values of each row; NaN for a row without any."""
    counts = row_counts(values)
    total = np.where(np.isfinite(values), values, 0.0).sum(axis=1)
    mean: Vector = np.divide(total, counts, out=np.full(values.shape[0], np.nan), where=counts > 0)
    return mean


def row_squares(values: Matrix) -> Vector:
    """Sum of squared deviations from the row's mean over the measured values; NaN for a row without any."""
    deviation = values - row_mean(values)[:, None]
    total = np.where(np.isfinite(deviation), deviation**2, 0.0).sum(axis=1)
    return np.where(row_counts(values) > 0, total, np.nan)


def in_chunks(function: Callable[[Matrix], tuple[Vector, ...]], values: Matrix) -> tuple[Vector, ...]:
    """`function` over slices of rows, its vectors joined."""
    if len(values) <= CHUNK_ROWS:
        return function(values)
    parts = [function(values[start : start + CHUNK_ROWS]) for start in range(0, len(values), CHUNK_ROWS)]
    return tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))


def ratio(numerator: Any, denominator: Any) -> Vector:
    """Element-wise quotient; NaN where the denominator is zero or either side is unknown."""
    top, bottom = np.broadcast_arrays(np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float))
    result: Vector = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=np.isfinite(bottom) & (bottom != 0))
    return result


def group_indices(labels: Sequence[Any]) -> dict[str, NDArray[np.int64]]:
    """Positions of each label, in label order; None and NaN form the group 'unknown'."""
    names = np.array(["unknown" if label is None or label != label else str(label) for label in labels], dtype=object)
    return {name: np.flatnonzero(names == name) for name in sorted(set(names.tolist()))}
