"""A process that must not outlive its parent says so to the kernel.

Only Linux can promise it. Elsewhere a parent that ends in the ordinary way still stops its children; only one
that is killed outright leaves them, and the next start then says that the data directory is in use.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

# Set by the runner for all that it starts, so that other ways of serving the site are left alone.
UNDER_RUNNER = "SENSENOVA_UNDER_RUNNER"

_PR_SET_PDEATHSIG = 1
# Loaded here and not after a fork, where as little as possible should happen.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """From now on the kernel sends `number` to this process when its parent ends, however it ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))


def tied_to_caller(number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """Return a `preexec_fn` that ties a new process to the one that is starting it."""
    parent = os.getpid()

    def tie() -> None:
        die_with_parent(number)
        # The parent may have ended between the fork and the line above: then no signal will ever come.
        if os.getppid() != parent:
            os._exit(1)

    return tie


def die_with_parent_under_runner() -> None:
    """Tie a process that the web server forked to its own parent, if the runner started them."""
    if _LIBC is None or not os.environ.get(UNDER_RUNNER):
        return
    die_with_parent()
    # The parent may have ended before the line above, as when it is killed just after the fork. Whom the
    # runner starts leads a session, so that one should be the parent, unless this is no fork at all.
    if os.getsid(0) not in (os.getppid(), os.getpid()):
        os._exit(1)
