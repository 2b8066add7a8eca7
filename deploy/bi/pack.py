"""Zip the shipped dashboard as Superset's page "Import dashboard" takes it, with the place of the published file put in.

python pack.py PUBLISHED_FILE TARGET.zip
"""

import sys
import zipfile
from pathlib import Path

PLACEHOLDER = "PUBLISHED_FILE"
FOLDER = Path(__file__).resolve().parent / "dashboard"


def files(published: Path) -> dict[str, str]:
    """Every file below `dashboard/` by its place there. The published file is opened read-only (`access_mode` in its address)."""
    return {
        str(file.relative_to(FOLDER)): file.read_text(encoding="utf-8").replace(PLACEHOLDER, str(published.resolve()))
        for file in sorted(FOLDER.rglob("*.yaml"))
    }


def pack(published: Path, target: Path) -> None:
    """All in one folder of `target`, which Superset asks for."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, text in files(published).items():
            archive.writestr(f"value-in-motion/{place}", text)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
