"""`make fault`: break everything while usage is posted and hours close, then check (docs/faults.md)."""

import argparse
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from sensenova_billing.dev_server.data_directory import make_temporary, socket_directory
from sensenova_billing.dev_server.postgres import stop_in_order_on_signals
from tests.faults.account import check_account, read_account
from tests.faults.books import audit, read_books
from tests.faults.broken import BROKEN, SOUND
from tests.faults.campaign import CampaignOptions, Outcome, go_through
from tests.faults.checker import check, read_journal, read_stored
from tests.faults.packages import check_packages, read_sold
from tests.faults.report import Findings

SECONDS = 120
SECONDS_BROKEN = 25


def main() -> int:
    """Do one run, or one of each broken build, and return the exit status: 0 only if nothing is wrong."""
    options = _options()
    if options.broken == "all":
        return _all_broken(options)
    campaign = CampaignOptions(
        seconds=options.seconds or (SECONDS_BROKEN if options.broken else SECONDS),
        seed=options.seed if options.seed is not None else secrets.randbelow(10**8),
        build=BROKEN.get(options.broken, SOUND),
    )
    _say(f"seed {campaign.seed}, {campaign.seconds} s of faults, {options.broken or 'as it is'}\n")
    directory = make_temporary()
    stop_in_order_on_signals()
    found = None
    try:
        found = go_through(campaign, directory, judge=_judge)
        _say(found.text())
    finally:
        stalled = found is not None and found.outcome.seconds_to_catch_up is None
        if options.keep or found is None or stalled or (found.is_red and not options.broken):
            _say(f"The journal, the logs and the database are kept in {directory}.\n")
        else:
            _remove(directory)
    if options.broken:
        _say(f"{_verdict(found, campaign.build.found_by)}\n")
    return int(found.is_red)


def _judge(outcome: Outcome) -> Findings:
    """Compare what was acknowledged, what is stored and what is billed."""
    stored = read_stored(outcome.url, run=outcome.run)
    journal, orders = read_journal(outcome.journal), read_journal(outcome.orders)
    return Findings(
        outcome=outcome,
        verdict=check(journal=journal, stored=stored),
        books=audit(read_books(outcome.url), shown=outcome.clock.at),
        packages=check_packages(read_sold(outcome.url), journal=orders, usage_journal=journal),
        account=check_account(read_account(outcome.url), journal=read_journal(outcome.bookings)),
    )


def _verdict(found: Findings, kind: str) -> str:
    count = found.faults().get(kind, 0)
    return f"caught: {kind} {count:,}" if count else f"NOT CAUGHT: {kind} is 0"


def _all_broken(options: argparse.Namespace) -> int:
    """Let each broken build run in a process of its own and demand that it is caught."""
    missed = []
    for name in BROKEN:
        command = [sys.executable, "-m", "tests.faults", "--broken", name]
        for option, value in (("--seconds", options.seconds), ("--seed", options.seed)):
            command += [option, str(value)] if value is not None else []
        finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        _say(f"=== {name}\n{finished.stdout}\n")
        if finished.returncode != 1 or "\ncaught: " not in finished.stdout:
            missed.append(name)
    _say(f"{len(BROKEN) - len(missed)} of {len(BROKEN)} broken builds were caught.\n")
    return int(bool(missed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seconds", type=int, default=_number("SECONDS"), help=f"of faults ({SECONDS})")
    parser.add_argument("--seed", type=int, default=_number("SEED"), help="of an earlier run")
    parser.add_argument("--broken", choices=[*BROKEN, "all"], help="a broken build, which must be found out")
    parser.add_argument("--keep", action="store_true", help="keep the journal, the logs and the database")
    return parser.parse_args()


def _number(variable: str) -> int | None:
    text = os.environ.get(variable)
    return int(text) if text else None


def _remove(directory: Path) -> None:
    shutil.rmtree(socket_directory(directory), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
