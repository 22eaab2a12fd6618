"""What callers know of their calls, and the journals that tell it.

A caller does not know when its call was admitted, only that it was between the request and the answer. All
instants are nanoseconds of the machine's monotonic clock, which is one for all processes.

A journal has one JSON object a line, written after the answer: `{"action": ..., "id": ..., "began": ns,
"answered": ns, "tokens": n}`. The actions are "admit" (the tokens are an estimate), "count" (usage without
admission), "settle", "release" and "refused".
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

SECOND = 10**9

ADMIT, COUNT, SETTLE, RELEASE, REFUSED = "admit", "count", "settle", "release", "refused"


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended: with so many tokens used, or None where it was released."""

    began: int
    answered: int
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was admitted, or that just happened."""

    call_id: str
    began: int
    answered: int
    tokens: int
    was_asked_for: bool = True
    end: End | None = None

    @property
    def is_released(self) -> bool:
        """Whether it was given back."""
        return self.end is not None and self.end.tokens is None

    @property
    def counts_in_the_end(self) -> tuple[int, int]:
        """Calls and tokens once everything has been told."""
        if self.end is None:
            return 1, self.tokens
        return (0, 0) if self.end.tokens is None else (1, self.end.tokens)


@dataclass(frozen=True)
class Told:
    """What the journals of a run tell."""

    calls: list[Call]
    refused: int


def read(journals: Iterable[Path]) -> Told:
    """Return the calls of all journals of a run."""
    return tell(json.loads(line) for path in journals for line in path.read_text().splitlines())


def tell(entries: Iterable[Mapping[str, Any]]) -> Told:
    """Put each call together from what was noted of it; entries of one call are in their order."""
    calls: dict[str, Call] = {}
    refused = 0
    for entry in entries:
        action, began, answered = entry["action"], entry["began"], entry["answered"]
        if action == REFUSED:
            refused += 1
        elif action in (ADMIT, COUNT):
            calls[entry["id"]] = Call(entry["id"], began, answered, entry["tokens"], action == ADMIT)
        else:
            tokens = entry["tokens"] if action == SETTLE else None
            calls[entry["id"]] = replace(calls[entry["id"]], end=End(began, answered, tokens))
    return Told(sorted(calls.values(), key=lambda call: call.began), refused)
