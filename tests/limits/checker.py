"""The checker of the hammer: finds 60 seconds in which surely more was admitted than the limits allow.

It shares no code with the product. Two witnesses are heard. The callers: a call whose request was sent after
a window began, and answered before it ended, was surely admitted in it. The store: the whole second in which
it counts each call. Neither accuses a limiter that keeps its promise, however slow its answers are.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from tests.limits.calls import SECOND, Call

WINDOW = 60
# What is reported counts within a second of its answer; a busy machine may take longer.
COUNTED_WITHIN = 3 * SECOND


@dataclass(frozen=True, slots=True)
class Limits:
    """What a customer may use of a service in any 60 seconds."""

    rpm: int
    tpm: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A call as the store has it; the second is one since 1970."""

    second: int
    tokens: int
    state: str


@dataclass(frozen=True)
class Witness:
    """The fullest 60 seconds that somebody saw, and how many held too much."""

    calls: int
    tokens: int
    exceeded: int


@dataclass(frozen=True)
class Verdict:
    """What was admitted in a run, and whether it was too much or too little."""

    admitted: int
    refused: int
    by_callers: Witness
    by_store: Witness
    disputed: Mapping[str, int]  # calls of which the callers and the store do not say the same, by the kind
    calls_used: Fraction  # of what the limits allow in the time
    tokens_used: Fraction | None

    def faults(self) -> dict[str, int]:
        """Return how many there are of each kind of fault that was found."""
        found = {
            "exceeded by the callers' clocks": self.by_callers.exceeded,
            "exceeded by the store's seconds": self.by_store.exceeded,
            **self.disputed,
        }
        return {kind: count for kind, count in found.items() if count}

    def used(self) -> Fraction:
        """Return how much was used of the limit that bound."""
        return max(self.calls_used, self.tokens_used or Fraction(0))


def check(
    *,
    calls: Sequence[Call],
    refused: int,
    stored: Mapping[str, Stored],
    limits: Limits,
    seconds: int,
    epoch: int,
) -> Verdict:
    """Return the verdict on a run of so many seconds; `epoch` is 1970 on the callers' clock."""
    counted = [call.counts_in_the_end for call in calls]
    # A limiter without any fault admits as much at the beginning of each minute.
    windows = ceil(Fraction(seconds, WINDOW))
    return Verdict(
        admitted=sum(call.was_asked_for for call in calls),
        refused=refused,
        by_callers=_witness(_seen_by_callers(calls), limits),
        by_store=_witness(_seen_by_store(calls, stored), limits),
        disputed=_disputed(calls, stored, epoch),
        calls_used=Fraction(sum(one for one, _ in counted), limits.rpm * windows),
        tokens_used=Fraction(sum(n for _, n in counted), limits.tpm * windows) if limits.tpm else None,
    )


def _witness(windows: Sequence[tuple[int, int]], limits: Limits) -> Witness:
    return Witness(
        calls=max((calls for calls, _ in windows), default=0),
        tokens=max((tokens for _, tokens in windows), default=0),
        exceeded=sum(
            calls > limits.rpm or (limits.tpm is not None and tokens > limits.tpm)
            for calls, tokens in windows
        ),
    )


# --- The callers ---------------------------------------------------------------------------------


def _seen_by_callers(calls: Sequence[Call]) -> list[tuple[int, int]]:
    """Return what at least counted at the last admission of each 60 seconds that end with an answer."""
    calls = sorted(calls, key=lambda call: call.began)
    begun = [call.began for call in calls]
    found = []
    for until in (call.answered for call in calls if call.was_asked_for):
        since = until - WINDOW * SECOND
        begun_inside = calls[bisect_right(begun, since) : bisect_right(begun, until)]
        inside = [call for call in begun_inside if call.answered <= until]
        # The last of them was admitted between these two instants; so all others had been by then.
        last = max((call.began for call in inside if call.was_asked_for), default=None)
        if last is not None:
            found.append(_sum(_least(call, last, until) for call in inside))
    return found


def _least(call: Call, last: int, until: int) -> tuple[int, int]:
    """Return the least for which a call can have counted at an instant between these two."""
    if not call.was_asked_for:
        return (1, call.tokens) if call.answered + COUNTED_WITHIN <= last else (0, 0)
    as_asked = (1, call.tokens)
    if call.end is None or call.end.began >= until:
        return as_asked
    if call.end.answered + COUNTED_WITHIN <= last:
        return call.counts_in_the_end
    return min(as_asked, call.counts_in_the_end)


def _sum(counted: Iterable[tuple[int, int]]) -> tuple[int, int]:
    calls, tokens = zip(*counted, strict=True)
    return sum(calls), sum(tokens)


# --- The store -----------------------------------------------------------------------------------


def _seen_by_store(calls: Sequence[Call], stored: Mapping[str, Stored]) -> list[tuple[int, int]]:
    """Return what at least counted in each 60 whole seconds that end with a second in which a call counts."""
    asked = {call.call_id: call.tokens for call in calls}
    by_second: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for call_id, call in stored.items():
        # Before it was settled it counted as it was estimated, and nobody knows which was when.
        least = min(call.tokens, asked.get(call_id, call.tokens))
        by_second[call.second].append((0, 0) if call.state == "released" else (1, least))
    return [
        _sum(one for second in range(last - WINDOW + 1, last + 1) for one in by_second.get(second, ()))
        for last in by_second
    ]


def _disputed(calls: Sequence[Call], stored: Mapping[str, Stored], epoch: int) -> dict[str, int]:
    asked = {call.call_id: call for call in calls if call.was_asked_for}
    both = [(asked[call_id], stored[call_id]) for call_id in asked.keys() & stored.keys()]
    return {
        "admitted and not stored": len(asked.keys() - stored.keys()),
        "stored and not admitted": len(stored.keys() - asked.keys()),
        "counted in another second": sum(not _is_between(call, at.second, epoch) for call, at in both),
        "stored otherwise": sum(_as_stored(call) != (at.state, at.tokens) for call, at in both),
    }


def _is_between(call: Call, second: int, epoch: int) -> bool:
    return (call.began - epoch) // SECOND <= second <= (call.answered - epoch) // SECOND


def _as_stored(call: Call) -> tuple[str, int]:
    if call.end is None:
        return "held", call.tokens
    return ("released", call.tokens) if call.end.tokens is None else ("settled", call.end.tokens)
