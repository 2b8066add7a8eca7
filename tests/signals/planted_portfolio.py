"""What the fixture `planted` hands to tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vim_pipelines.settings import Settings
from vim_pipelines.warehouse import Warehouse

AS_OF = date(2026, 6, 28)


@dataclass(frozen=True)
class Planted:
    """The warehouse with base models built for `AS_OF`, and the path of the ground truth."""

    settings: Settings
    warehouse: Warehouse
    ground_truth: Path
