"""The exit statuses of the command line as a page of reference. A script branches on them, so each has one meaning, and a test holds every error code to one."""

from __future__ import annotations

from vim_pipelines.cli.root import INTERRUPTED, UNEXPECTED

#: What each status means, for scripts that need not tell the codes behind it apart.
MEANINGS = {
    0: "All is well. `doctor`: everything is green.",
    UNEXPECTED: "An unexpected failure (`--debug` shows where), or a check that was not met: `evals`, `calibrate`, `audit-trail verify`; "
    "`doctor`: something is yellow, nothing red.",
    2: "The command, a setting or a file of settings is wrong, and nothing was done. `doctor`: something is red. `portfolio check`: the file has an error.",
    3: "A source or a service outside cannot be used.",
    4: "The warehouse or the operations store cannot be opened, or is held by another program. Trying again later helps.",
    5: "The data stopped the run: a gate, a model, or a date without data.",
    6: "The language model, its budget or its traces.",
    7: "The decision, the message or the word was not taken. Nothing was decided.",
    8: "Nothing was written to the CRM, or not what was asked.",
    9: "The sandbox refused to leave this machine.",
    70: "A step of the night failed in a way that nobody foresaw; the log has the traceback.",
    INTERRUPTED: "Ctrl-C. What was begun is finished or taken up by the next run.",
}


def page() -> str:
    """The page, in Markdown."""
    lines = [
        "# Exit statuses",
        "",
        "Fixed, for scripts. The page of each error code says which status it ends with ([Errors](errors.md)). This page is made by `make reference`.",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| {status} | {meaning} |" for status, meaning in MEANINGS.items()),
    ]
    return "\n".join([*lines, ""])
