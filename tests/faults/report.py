"""What a run found, in the words in which it is printed."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults import account
from tests.faults.account import AccountFindings
from tests.faults.books import HOUR, Books
from tests.faults.campaign import Outcome, kills
from tests.faults.checker import Verdict
from tests.faults.packages import KINDS, PackageFindings

SHOWN = 5  # of each kind of fault


@dataclass(frozen=True)
class Findings:
    """What happened, and what the parts of the checker say about it."""

    outcome: Outcome
    verdict: Verdict
    books: Books
    packages: PackageFindings
    account: AccountFindings

    @property
    def is_red(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.faults())

    def faults(self) -> dict[str, int]:
        """Return how many there are of each kind of fault."""
        found = dict(self.books.faults())
        for kind, count in self.verdict.faults().items():
            found[kind] = found.get(kind, 0) + count
        found |= self.packages.faults() | self.account.faults()
        if self.outcome.seconds_to_catch_up is None:
            found["did not catch up by itself"] = 1
        if self.outcome.unverified:
            found["books that do not verify"] = 1
        return found

    def headline(self) -> dict[str, int]:
        """Return what is asked first."""
        found = self.faults()
        return {
            "acknowledged": self.verdict.acknowledged,
            "stored": self.books.stored,
            "billed": self.books.billed,
            **{
                kind: found.get(kind, 0)
                for kind in ("lost", "altered", "doubled", "unbilled", "gaps", "early")
            },
            "hours closed": self.books.hours,
        }

    def text(self) -> str:
        """Return the report."""
        outcome, caught_up = self.outcome, self.outcome.seconds_to_catch_up
        lines = [
            f"faults in {outcome.seconds:.0f} s: {_listed(outcome.struck)}",
            f"killed: {kills(outcome.struck)} processes or sessions; the database crashed "
            f"{outcome.struck.get('database', 0)} times",
            f"started again: {_listed(outcome.restarts)}",
            f"answers: {_listed(outcome.answers)}",
            f"answers to buyers: {_listed(outcome.answers_to_buyers)}",
            f"packages: bought {self.packages.bought:,}, ran out {self.packages.ran_out:,}; methods switched "
            f"{self.packages.switched:,}; tokens covered {self.packages.covered:,}, charged "
            f"{self.packages.charged:,}",
            f"packages: renewed {self.packages.renewed:,}, credited {self.packages.credited:,}; "
            f"calls reversed {self.packages.reversed:,}, tokens given back {self.packages.returned:,}",
            f"accounts: {_listed(self.account.counts())}",
            f"answers to bookers: {_listed(outcome.answers_to_bookers)}",
            f"posts: {self.verdict.posts:,}, of which not at the first attempt {self.verdict.sent_again:,}; "
            f"sent once more {self.verdict.resent:,}; records billed in a later hour {self.books.late:,}",
            f"all hours closed {caught_up:.1f} s after the last record"
            if caught_up is not None
            else "the hours were not closed until that was done by hand",
            f"the longest wait of an ended hour for its closing: {self._slowest()} on the fast clock",
            _listed(self.headline()),
            self.outcome.unverified or "the books verify",
            *self._details(),
            "RED: " + _listed(self.faults()) if self.is_red else "clean",
        ]
        return "".join(f"{line}\n" for line in lines)

    def _slowest(self) -> str:
        waited = self.books.slowest
        return "not known" if waited is None else f"{waited / HOUR:.1f} hours"

    def _details(self) -> list[str]:
        kinds = {
            **{kind: getattr(self.verdict, kind) for kind in ("lost", "doubled", "altered", "invented")},
            **{kind: getattr(self.verdict, kind) for kind in ("unacknowledged", "miscounted")},
            **{
                kind: getattr(self.books, kind)
                for kind in ("gaps", "early", "quantities", "amounts", "seals")
            },
            **{kind: getattr(self.packages, kind) for kind in KINDS},
            **{kind: getattr(self.account, kind) for kind in account.KINDS},
        }
        return [f"{kind}: {one}" for kind, found in kinds.items() for one in found[:SHOWN]]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
