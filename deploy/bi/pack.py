"""Zip the shipped dashboard as Superset imports it, with the place of the published file put in.

python pack.py PUBLISHED_FILE TARGET.zip
"""

import sys
import zipfile
from pathlib import Path

PLACEHOLDER = "PUBLISHED_FILE"
FOLDER = Path(__file__).resolve().parent / "dashboard"


def pack(published: Path, target: Path) -> None:
    """Every file below `dashboard/` into one folder of `target`, which Superset asks for. The file is opened read-only (`access_mode`)."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(FOLDER.rglob("*.yaml")):
            text = file.read_text(encoding="utf-8").replace(PLACEHOLDER, str(published.resolve()))
            archive.writestr(str(Path("value-in-motion") / file.relative_to(FOLDER)), text)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
