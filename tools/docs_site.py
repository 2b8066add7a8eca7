"""Stages the documentation and builds its site, so that one source of each page serves both the repository and the site.

`docs/` is read on a code host as it stands. The site wants a little more: a page for each error code, the formulas of the dbt project and the
change log beside the rest, and a page in the navigation however it came into its folder. These are made in `build/docs`, never committed.

`python -m tools.docs_site` builds into `site/`; any broken link or anchor is an error. `--serve` shows the built site on loopback.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGE = ROOT / "build" / "docs"
SITE = ROOT / "site"

#: Pages that live elsewhere in the repository, and where the site shows them.
ADOPTED = {"dbt_project/DECISIONS.md": "reference/formulas.md", "CHANGELOG.md": "changelog.md"}

#: Which part of the navigation takes a page that it does not name, by folder.
FOLDER_PART = {"tutorial": "Learn", "how-to": "Do", "reference": "Look up", "explanation": "Understand"}

ERRORS = "reference/errors.md"
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s]+)\)")


def error_pages(text: str) -> dict[str, str]:
    """A page for each `## VIM-Ennn` section of the error page: code -> Markdown. Links of the sections are taken one folder down."""
    pages = {}
    for section in re.split(r"^(?=## VIM-E\d{3})", text, flags=re.MULTILINE)[1:]:
        code = section[3:11]
        body = re.sub(r"^## .*\n", "", section).strip()
        title = re.match(r"\*\*(.+?)\*\*", body)
        body = re.sub(r"^\*\*.+?\*\* \((exit status \d+)\)\. ", lambda found: f"{found[1].capitalize()}. ", body)
        body = LINK.sub(lambda found: f"{found[1]}({_one_down(found[2])})", body)
        pages[code] = f"# {code}: {title[1] if title else ''}\n\n{body}\n\n[All errors](../errors.md)\n"
    return pages


def _one_down(address: str) -> str:
    """The address of a link, seen from a folder below its page's."""
    if "://" in address or address.startswith("/"):
        return address
    return f"../errors.md{address}" if address.startswith("#") else f"../{address}"


def with_pages_linked(text: str) -> str:
    """The error page whose headings lead to a page each; the anchors stay those that the command line prints."""
    return re.sub(r"^## (VIM-E\d{3})$", lambda found: f"## [{found[1]}](errors/{found[1]}.md) {{ #{found[1].lower()} }}", text, flags=re.MULTILINE)


def relinked(text: str, page: str, source: str) -> str:
    """Links that leave `docs/` (or come from outside it) led to the adopted pages; `page` and `source` are the places in the site and the repository."""

    def lead(found: re.Match[str]) -> str:
        address, _, anchor = found[2].partition("#")
        if not address or "://" in address or address.startswith("mailto:"):
            return found[0]
        target = _normal(Path(source).parent / address)
        place = ADOPTED.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if place is None:
            return f"{found[1][1:-1]}" if not found[1].startswith("!") else found[0]
        return f"{found[1]}({_relative(place, page)}{'#' + anchor if anchor else ''})"

    return LINK.sub(lead, text)


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ".."):
            parts.append(part)
    return "/".join(parts)


def _relative(place: str, page: str) -> str:
    return "../" * page.count("/") + place


def drawn(text: str, page: str) -> str:
    """Mermaid needs a script from another host at view time; the site shows the drawing that `make reference` made instead."""
    return re.sub(
        r"```mermaid\n.*?```", f"![The eleven phases, and what leads from one to another]({_relative('images/lifecycle.svg', page)})", text, flags=re.DOTALL
    )


def navigation(nav: list[Any], pages: set[str]) -> list[Any]:
    """The navigation with what is not there taken out, and every page that it does not name put at the end of its folder's part."""

    def named(part: Any) -> set[str]:
        if isinstance(part, str):
            return {part}
        return set().union(*(named(each) for each in (part.values() if isinstance(part, dict) else part)))

    def kept(part: Any) -> Any:
        if isinstance(part, str):
            return part if part in pages else None
        if isinstance(part, dict):
            return next(({name: inner} for name, below in part.items() if (inner := kept(below))), None)
        return [inner for each in part if (inner := kept(each))]

    nav = kept(nav)
    for page in sorted(pages - named(nav) - {"index.md"}):
        if page.startswith("reference/errors/"):
            continue
        title = FOLDER_PART.get(page.split("/")[0], "Understand")
        if not any(title in part for part in nav):
            nav.append({title: []})
        next(part[title] for part in nav if title in part).append(page)
    errors = sorted(page for page in pages if page.startswith("reference/errors/"))
    for part in nav:
        for place, entry in enumerate(part.get("Look up", [])):
            if isinstance(entry, dict) and "Errors" in entry:
                part["Look up"][place] = {"Errors": [entry["Errors"], *errors]}
    return nav


def stage(root: Path = ROOT, to: Path = STAGE) -> Path:
    """Lay out the pages to build from below `to`; returns the configuration's path."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(root / "docs", to / "docs")
    sources = {page.relative_to(root / "docs").as_posix(): page.relative_to(root).as_posix() for page in (root / "docs").rglob("*.md")}
    sources |= {place: source for source, place in ADOPTED.items()}
    for page, source in sources.items():
        text = (root / source).read_text(encoding="utf-8")
        if page == ERRORS:
            text = with_pages_linked(text)
            for code, body in error_pages((root / source).read_text(encoding="utf-8")).items():
                place = to / "docs" / "reference" / "errors" / f"{code}.md"
                place.parent.mkdir(exist_ok=True)
                place.write_text(relinked(body, f"reference/errors/{code}.md", f"docs/reference/errors/{code}.md"), encoding="utf-8")
        (to / "docs" / page).write_text(drawn(relinked(text, page, source), page), encoding="utf-8")
    configuration = yaml.safe_load((root / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {page.relative_to(to / "docs").as_posix() for page in (to / "docs").rglob("*.md")}
    configuration["nav"] = navigation(configuration["nav"], pages)
    place = to / "mkdocs.yml"
    place.write_text(yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return place


def build(root: Path = ROOT, to: Path = STAGE, site: Path = SITE) -> subprocess.CompletedProcess[str]:
    """Build the site; a link to a page or an anchor that is not there fails it."""
    configuration = stage(root, to)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict", "-f", str(configuration)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=to, check=False)
    if done.returncode == 0:
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(to / "site", site)
        shutil.copy(root / "docs" / "llms.txt", site / "llms.txt")
    return done


def serve(site: Path = SITE, port: int = 8330) -> None:
    """The built site on loopback, until interrupted."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    with ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=str(site))) as server:
        sys.stdout.write(f"http://127.0.0.1:{port}/index.html\n")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help="show the built site on loopback")
    asked = parser.parse_args()
    done = build()
    sys.stdout.write(re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr))
    if done.returncode:
        return 1
    if asked.serve:
        serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
