"""A process, forked as a web worker is, whose parent has ended, or not, before the two are tied."""

import os
import sys
import time

from sensenova_billing.dev_server.parent_death import die_with_parent_under_runner


def main(parent_ends: bool) -> None:
    """Fork; the child says whether it goes on."""
    os.setsid()  # the runner starts each of its children so
    parent = os.getpid()
    if os.fork():
        if not parent_ends:
            os.wait()
        return
    while parent_ends and os.getppid() == parent:
        time.sleep(0.01)
    die_with_parent_under_runner()
    sys.stdout.write("it goes on\n")


if __name__ == "__main__":
    main(parent_ends=sys.argv[1] == "ends")
