"""`make hammer`: press on call limits with many processes, and check every 60 seconds; use budgets up."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from math import ceil
from pathlib import Path

from benchmarks.server import manage
from sensenova_billing.dev_server.data_directory import make_temporary
from sensenova_billing.dev_server.postgres import throwaway_server
from tests.limits.budget_hammer import BROKEN as BROKEN_BUDGETS
from tests.limits.budget_hammer import hammer_budget
from tests.limits.checker import WINDOW, Verdict
from tests.limits.hammer import BROKEN, CALLERS, REDIS, RUNS, SOUND, STORES, Build, Run, hammer, served
from tests.redis_server import know_server, redis_server

SECONDS = 180
SECONDS_BROKEN = 12
# A budget is used up long before.
SECONDS_OF_BUDGET = 300
BUDGET = "budget"
# Of what the limits allow so much has to be used.
ENOUGH = Fraction(95, 100)


def main() -> int:
    """Press on one store after the other, and return the exit status: 0 only if all is as it should be."""
    options = _options()
    builds = {name: BROKEN[name] for name in BROKEN if options.broken in (name, "all")} or {"": SOUND}
    # Whole minutes, so that there is time to use what the last of them allows.
    seconds = SECONDS_BROKEN if options.broken else ceil(options.seconds / WINDOW) * WINDOW
    # Only the impatient are back soon enough to find out within seconds.
    named = options.run or (["impatient", BUDGET] if options.broken else [*RUNS, BUDGET])
    runs = {name: RUNS[name] for name in named if name != BUDGET}
    wrong = 0
    if BUDGET in named:
        wrong += _budget(broken=bool(options.broken))
    if not runs:
        return int(wrong > 0)
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        for name, build in builds.items():
            for store in options.store or STORES:
                _say(f"## {store}{', broken: ' * bool(name)}{name}, {seconds} s, {CALLERS} callers a run\n\n")
                wrong += _one(url, store, build, runs, seconds)
    return int(wrong > 0)


def _one(url: str, store: str, build: Build, runs: dict[str, Run], seconds: int) -> bool:
    """Press on one store, print what was found, and tell whether that is not what should have been."""
    with ExitStack() as stack:
        directory = stack.enter_context(_directory())
        redis_url = ""
        if store == REDIS:
            redis_url = os.environ.get("REDIS_URL") or stack.enter_context(redis_server())
            know_server(redis_url)
        target = stack.enter_context(served(url, redis_url=redis_url, build=build))
        verdicts = hammer(target, runs, seconds=seconds, directory=directory)
    _say(HEAD)
    for name, verdict in verdicts.items():
        _say(_row(name, runs[name], verdict))
    if build is not SOUND:
        missed = [name for name, verdict in verdicts.items() if not verdict.by_callers.exceeded]
        _say(f"\n{'NOT CAUGHT: ' + ', '.join(missed) if missed else 'caught'}\n\n")
        return bool(missed)
    wrong = [fault for name, verdict in verdicts.items() for fault in _faults(name, verdict)]
    _say(f"\n{'RED: ' + '; '.join(wrong) if wrong else 'clean'}\n\n")
    return bool(wrong)


def _budget(*, broken: bool) -> bool:
    """Use budgets up, on a server of its own; print what was found, and tell whether it is wrong."""
    _say(f"## budgets{', broken: nothing is reserved' * broken}, {CALLERS} callers\n\n")
    with throwaway_server() as url, _directory() as directory:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        application = BROKEN_BUDGETS if broken else SOUND.application
        verdict = hammer_budget(url, seconds=SECONDS_OF_BUDGET, directory=directory, application=application)
    calls = verdict.calls
    _say(f"| budget | cap, RMB | used, RMB | used | admitted | refused | released |\n|{'---|' * 7}\n")
    _say(f"| all calls | {verdict.cap:f} | {verdict.used:.5f} | {_percent(verdict.share)} ")
    _say(f"| {calls['admitted']:,} | {calls['refused']:,} | {calls['released']:,} |\n")
    _say(f"| a project | {verdict.cap_of_project:f} | {verdict.used_of_project:.5f} ")
    _say(f"| {_percent(verdict.share_of_project)} | | | |\n")
    faults = verdict.faults()
    if broken:
        _say(f"\n{'caught: ' + '; '.join(faults) if verdict.is_passed else 'NOT CAUGHT: budgets'}\n\n")
        return not verdict.is_passed
    _say(f"\n{'RED: ' + '; '.join(faults) if faults else 'clean'}\n\n")
    return bool(faults)


HEAD = (
    "| run | RPM | TPM | admitted | refused | most calls in 60 s: callers, store"
    " | most tokens in 60 s: callers, store | calls used | tokens used |\n"
    f"|{'---|' * 9}\n"
)


def _row(name: str, run: Run, verdict: Verdict) -> str:
    callers, store = verdict.by_callers, verdict.by_store
    tpm = "-" if run.limits.tpm is None else f"{run.limits.tpm:,}"
    tokens_used = "-" if verdict.tokens_used is None else _percent(verdict.tokens_used)
    return (
        f"| {name} | {run.limits.rpm:,} | {tpm} | {verdict.admitted:,} | {verdict.refused:,} "
        f"| {callers.calls:,}, {store.calls:,} | {callers.tokens:,}, {store.tokens:,} "
        f"| {_percent(verdict.calls_used)} | {tokens_used} |\n"
    )


def _faults(name: str, verdict: Verdict) -> Iterator[str]:
    for fault, count in verdict.faults().items():
        yield f"{name}: {fault} {count:,}"
    if verdict.used() < ENOUGH:
        yield f"{name}: only {_percent(verdict.used())} used"


def _percent(share: Fraction) -> str:
    tenths = int(share * 1000)  # rounded down
    return f"{tenths // 10}.{tenths % 10} %"


@contextmanager
def _directory() -> Iterator[Path]:
    made = make_temporary()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
    asked = int(os.environ.get("SECONDS") or SECONDS)
    parser.add_argument("--seconds", type=int, default=asked, help=f"rounded up to minutes ({SECONDS})")
    parser.add_argument("--store", action="append", choices=STORES, help="one of the stores alone")
    parser.add_argument("--run", action="append", choices=[*RUNS, BUDGET], help="one of the runs alone")
    parser.add_argument("--broken", choices=[*BROKEN, "all"], help="a broken build, which must be found out")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
