"""Put the shipped dashboard into Superset, over an earlier one. Run by superset.sh in Superset's environment.

    python load.py PUBLISHED_FILE

Superset's own command for dashboards leaves charts and datasets that exist as they are; its importer of assets writes everything anew.
"""

import sys
from pathlib import Path

from pack import files
from superset.app import create_app


def load(published: Path) -> None:
    """As the user `admin`, who must exist."""
    with create_app().app_context():
        from flask import g
        from superset import security_manager
        from superset.commands.importers.v1.assets import ImportAssetsCommand

        g.user = security_manager.find_user("admin")
        contents = files(published)
        contents["metadata.yaml"] = contents["metadata.yaml"].replace("type: Dashboard", "type: assets")
        ImportAssetsCommand(contents).run()


if __name__ == "__main__":
    load(Path(sys.argv[1]))
