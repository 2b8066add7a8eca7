"""The requirements of the distribution and of the extras named, one a line: what an image installs before it has our code.

python deploy/requirements.py pyproject.toml production kubernetes
"""

import sys
import tomllib
from pathlib import Path

if __name__ == "__main__":
    path, *extras = sys.argv[1:]
    project = tomllib.loads(Path(path).read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    sys.stdout.write("\n".join(lines) + "\n")
