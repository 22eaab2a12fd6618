"""Call limits kept with a plain list, to compare the stores with: each call, added up anew."""

import datetime as dt
from dataclasses import dataclass, field

from usage.limits.stores.windows import EPOCH, CallLimits, CallState, Refusal

MINUTE = dt.timedelta(seconds=60)
SECOND = dt.timedelta(seconds=1)


@dataclass(eq=False)  # two may be alike
class Entry:
    """Calls that count from an instant on."""

    at: dt.datetime
    calls: int
    tokens: int
    state: CallState = CallState.UNKNOWN

    @property
    def second(self):
        """The whole second that holds the instant."""
        return (self.at - EPOCH) // SECOND


@dataclass
class ListedWindow:
    """What one customer and service did; its time never goes back, and goes on with a clock that did."""

    time: dt.datetime = EPOCH
    ahead: int = 0  # by so many seconds, of the clock
    entries: list[Entry] = field(default_factory=list)
    by_id: dict[str, Entry] = field(default_factory=dict)

    @property
    def second(self):
        """The present second."""
        return (self.time - EPOCH) // SECOND

    def time_at(self, at):
        """What time it is here when the clock shows this instant, and by how many seconds it is ahead."""
        behind = self.second - (at - EPOCH) // SECOND
        ahead = max(self.ahead, behind) if behind > 0 else 0
        return max(self.time, at + ahead * SECOND), ahead

    def touch(self, at):
        """Let the clock show this instant."""
        self.time, self.ahead = self.time_at(at)

    def add(self, *, calls, tokens, call_id=None):
        """Count calls now."""
        entry = Entry(self.time, calls, tokens, CallState.HELD if call_id else CallState.UNKNOWN)
        self.entries.append(entry)
        if call_id:
            self.by_id[call_id] = entry

    def settle(self, call_id, tokens):
        """Let a held call have used so many tokens, or none and be no call at all."""
        entry = self.by_id[call_id]
        before = entry.state
        if before is CallState.HELD and tokens is None:
            self.entries.remove(entry)
            entry.state = CallState.RELEASED
        elif before is CallState.HELD:
            entry.tokens, entry.state = tokens, CallState.SETTLED
        return before

    def known(self, call_id, tokens):
        """What an id that is known already means for a call of so many tokens; None: nothing."""
        entry = self.by_id.get(call_id)
        if entry is None or entry.state is CallState.RELEASED:
            return None
        if entry.state is CallState.SETTLED:
            return Refusal.ENDED
        if entry.second < self.second - 60:
            return None
        return Refusal.NONE if entry.tokens == tokens else Refusal.OTHER_CALL

    def counted(self, *, second):
        """The calls and tokens that count in this second: its own and those of the 60 before it."""
        counting = [entry for entry in self.entries if entry.second >= second - 60]
        return sum(entry.calls for entry in counting), sum(entry.tokens for entry in counting)

    def refusal(self, tokens, limits, *, second):
        """Why a call of so many tokens would be refused in this second."""
        calls, used = self.counted(second=second)
        if limits.rpm < 1 or (limits.tpm is not None and tokens > limits.tpm):
            return Refusal.NEVER
        if calls >= limits.rpm:
            return Refusal.RPM
        if limits.tpm is not None and used + tokens > limits.tpm:
            return Refusal.TPM
        return Refusal.NONE

    def passes_at(self, tokens, limits):
        """The first second in which the call would not be refused."""
        later = range(self.second + 1, self.second + 62)
        return next((s for s in later if self.refusal(tokens, limits, second=s) is Refusal.NONE), None)

    def reset(self, what):
        """The first second in which none of these calls, or tokens, counts."""
        return max((e.second + 61 for e in self.entries if getattr(e, what) and e.second >= self.second - 60),
                   default=self.second)  # fmt: skip

    def windows_now(self):
        """Calls and tokens of every 60 seconds, wherever they start, that hold the present instant."""
        starts = [entry.at for entry in self.entries if self.time - MINUTE < entry.at <= self.time]
        for start in starts:
            inside = [entry for entry in self.entries if start <= entry.at < start + MINUTE]
            yield sum(entry.calls for entry in inside), sum(entry.tokens for entry in inside)

    def exceeds(self, limits: CallLimits):
        """The windows around the present instant in which there is more than the limits."""
        return [
            (calls, tokens)
            for calls, tokens in self.windows_now()
            if calls > limits.rpm or (limits.tpm is not None and tokens > limits.tpm)
        ]
