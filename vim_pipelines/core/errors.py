"""Errors that say what happened, why, and what to do, each with a code that has a place in `docs/reference/errors.md`.

A stack trace tells a Customer Success engineer nothing; a code can be searched for. The command line prints these without a
traceback and exits with `exit_code`; in Dagster they become the failure's description.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorCode:
    """One kind of failure: its code, a title for the reference page, and the exit status of the command that meets it."""

    code: str
    title: str
    exit_code: int = 1


CODES: dict[str, ErrorCode] = {
    entry.code: entry
    for entry in [
        ErrorCode("VIM-E001", "A setting is missing", 2),
        ErrorCode("VIM-E002", "A setting has the wrong form", 2),
        ErrorCode("VIM-E003", "The portfolio file cannot be read", 2),
        ErrorCode("VIM-E004", "The portfolio file is wrong", 2),
        ErrorCode("VIM-E005", "A rules file of the package is wrong", 2),
        ErrorCode("VIM-E010", "A source cannot be reached", 3),
        ErrorCode("VIM-E011", "A source refused our credentials", 3),
        ErrorCode("VIM-E012", "A mapped field does not exist in the source", 3),
        ErrorCode("VIM-E013", "A source answered with an error", 3),
        ErrorCode("VIM-E014", "A source's request limit is used up", 3),
        ErrorCode("VIM-E015", "The result of a write is unknown", 3),
        ErrorCode("VIM-E016", "An address is not on the allow-list", 3),
        ErrorCode("VIM-E017", "A source file is malformed", 3),
        ErrorCode("VIM-E018", "A source file is missing", 3),
        ErrorCode("VIM-E020", "The warehouse file is locked by another program", 4),
        ErrorCode("VIM-E021", "The warehouse cannot be opened", 4),
        ErrorCode("VIM-E022", "A quality gate stopped the run", 5),
        ErrorCode("VIM-E023", "A dbt model failed", 5),
        ErrorCode("VIM-E024", "There is no data for the as-of date", 5),
        ErrorCode("VIM-E025", "An audit is already running", 4),
        ErrorCode("VIM-E026", "The operations store was written by a newer version", 4),
        ErrorCode("VIM-E027", "The operations store cannot be opened", 4),
        ErrorCode("VIM-E028", "A file that would be overwritten is there", 2),
        ErrorCode("VIM-E030", "A prompt file is wrong", 2),
        ErrorCode("VIM-E031", "The language model refused or failed", 6),
        ErrorCode("VIM-E032", "The cost budget of the run is spent", 6),
        ErrorCode("VIM-E033", "This as-of date may not call a language model", 6),
        ErrorCode("VIM-E034", "LangSmith cannot be reached", 6),
        ErrorCode("VIM-E040", "The approval request does not exist", 7),
        ErrorCode("VIM-E041", "The decision names a stale version", 7),
        ErrorCode("VIM-E042", "The approval request was already decided", 7),
        ErrorCode("VIM-E043", "This person may not decide", 7),
        ErrorCode("VIM-E044", "The approved text and the stored text differ", 7),
        ErrorCode("VIM-E045", "A note is needed", 7),
        ErrorCode("VIM-E046", "The approval policy is wrong", 2),
        ErrorCode("VIM-E047", "This word about an account means nothing", 7),
        ErrorCode("VIM-E048", "This person cannot be recorded", 7),
        ErrorCode("VIM-E050", "Writing to the CRM is off", 8),
        ErrorCode("VIM-E051", "The CRM record changed since the proposal", 8),
        ErrorCode("VIM-E052", "Live writing is refused for this address", 8),
        ErrorCode("VIM-E060", "The sandbox refuses an address that is not loopback", 9),
        ErrorCode("VIM-E110", "There is no CRM to write to", 8),
        ErrorCode("VIM-E111", "The write belongs to another CRM", 8),
        ErrorCode("VIM-E112", "The approved text does not fit into the CRM", 8),
        ErrorCode("VIM-E113", "Write-back is switched off", 8),
        ErrorCode("VIM-E150", "The link is too old", 7),
        ErrorCode("VIM-E151", "The link is not one of ours", 7),
        ErrorCode("VIM-E120", "A message cannot be delivered", 7),
        ErrorCode("VIM-E121", "The edited text cannot be used", 7),
        ErrorCode("VIM-E122", "The alert does not exist", 7),
        ErrorCode("VIM-E123", "The alert was already acknowledged", 7),
        ErrorCode("VIM-E124", "The queue of approvals does not drain", 7),
        ErrorCode("VIM-E160", "Planhat drops custom fields when ours are written", 8),
        ErrorCode("VIM-E161", "The CRM could not be prepared for write-back", 8),
        ErrorCode("VIM-E175", "The portfolio book cannot be written", 5),
        ErrorCode("VIM-E176", "This page of the book is beyond your segments", 7),
        ErrorCode("VIM-E177", "There is no portfolio book yet", 7),
        ErrorCode("VIM-E152", "Mail would travel unencrypted", 3),
        ErrorCode("VIM-E153", "The mailbox may not be opened", 8),
        ErrorCode("VIM-E155", "An answer in the CRM cannot be taken", 7),
        ErrorCode("VIM-E140", "The Slack app lacks a scope", 3),
        ErrorCode("VIM-E141", "Slack cannot deliver to this person or channel", 3),
        ErrorCode("VIM-E142", "Slack did not accept a message", 3),
        ErrorCode("VIM-E143", "A request that says it is Slack's is not", 7),
        ErrorCode("VIM-E144", "Slack's form could not be opened in time", 7),
        ErrorCode("VIM-E130", "Name or password is wrong", 7),
        ErrorCode("VIM-E131", "Too many attempts to log in", 7),
        ErrorCode("VIM-E132", "The form was not made by this session", 7),
        ErrorCode("VIM-E133", "The request is too large", 7),
        ErrorCode("VIM-E134", "The request took too long to arrive", 7),
        ErrorCode("VIM-E135", "The inbox does not answer to that host name", 7),
        ErrorCode("VIM-E136", "There is no such page", 7),
        ErrorCode("VIM-E137", "The inbox or another server cannot start", 2),
        ErrorCode("VIM-E138", "This item cannot be approved together with others", 7),
        ErrorCode("VIM-E180", "An address for the digest is none", 2),
        ErrorCode("VIM-E181", "The digest has no way out", 2),
        ErrorCode("VIM-E188", "A command that changes things was not confirmed", 2),
        ErrorCode("VIM-E189", "The command needs the repository", 2),
        ErrorCode("VIM-E185", "The run has no as-of date", 2),
        ErrorCode("VIM-E190", "The key of the list of erased persons has changed", 2),
        ErrorCode("VIM-E191", "Something about this person is being carried out", 8),
        ErrorCode("VIM-E192", "Nobody of that name is known", 7),
        ErrorCode("VIM-E193", "The note of an erasure names the person", 7),
        ErrorCode("VIM-E194", "The long marts of this night were thinned", 7),
        ErrorCode("VIM-E170", "The reader role may do more than read the marts", 4),
        ErrorCode("VIM-E171", "A metric cannot be written as one query", 2),
        ErrorCode("VIM-E099", "An unexpected failure", 70),
    ]
}


def error_page(code: str) -> str:
    """Where an error code is explained. The one place that knows: commands print it, pages link to it."""
    return f"docs/reference/errors.md#{code.lower()}"


class VimError(Exception):
    """A failure that a person can act on.

    `code` is a key of `CODES`; `what` says what happened, `why` the reason as far as it is known, `fix` the one thing to do.
    The text never holds a secret: callers pass names of settings, not their values.
    """

    def __init__(self, code: str, what: str, *, why: str = "", fix: str = "") -> None:
        if code not in CODES:
            raise KeyError(f"unknown error code {code}: add it to vim_pipelines/core/errors.py")
        self.code, self.what, self.why, self.fix = code, what.rstrip(), why.rstrip(), fix.rstrip()
        super().__init__(str(self))

    @property
    def exit_code(self) -> int:
        """Exit status of a command that ends with this error."""
        return CODES[self.code].exit_code

    def __str__(self) -> str:
        parts = [f"{self.code} {_sentence(self.what)}"]
        parts += [_sentence(text) for text in (self.why, self.fix) if text]
        return " ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.code, self.what, self.why, self.fix))


def _rebuild(kind: type[VimError], code: str, what: str, why: str, fix: str) -> VimError:
    return kind(code, what, why=why, fix=fix)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
