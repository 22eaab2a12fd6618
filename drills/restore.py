"""`make drill-restore`: lose a database, and restore it to a point in time and to its last archived log.

Everything happens in a throw-away directory with PostgreSQL's own programs: those of the wheel, or those that
POSTGRES_BIN names. docs/operations.md has the same steps for a server of your own. Ends with 1 if a bill, a
seal or a balance is not what it was, or anything is missing that was archived.
"""

import argparse
import datetime as dt
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.server import manage, web
from drills.books import Bills, Books, differences, read_bills, read_books
from drills.sender import NotTaken, Sender, batches, calls
from drills.stage import close, last_hours, pay, say, set_stage, verify_books
from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import (
    make_private,
    make_reachable,
    make_temporary,
    socket_directory,
)
from sensenova_billing.dev_server.postgres_programs import find_programs

RECORDS_AN_HOUR = 600
SECONDS_TO_ARCHIVE = 60
SECONDS_OF_LAST_LOAD = 1.5


@dataclass
class Server:
    """A PostgreSQL on a directory of its own."""

    directory: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Where it is."""
        return postgres.database_url(self.directory)

    def connect(self) -> "psycopg.Connection[Any]":
        """Connect to the product's database."""
        return psycopg.connect(self.url, autocommit=True)

    def ask(self, statement: str, *values: Any) -> Any:
        """Return the first value of the answer."""
        with self.connect() as connection:
            row = connection.execute(statement, values).fetchone()
        return row and row[0]


@dataclass
class Drill:
    """The directories of a drill, and what was found to be wrong."""

    place: Path
    problems: list[str] = field(default_factory=list)

    @property
    def archive(self) -> Path:
        """Where the server puts its log."""
        return self.place / "archive"

    @property
    def base(self) -> Path:
        """Where the base backup is."""
        return self.place / "base"

    @property
    def seals(self) -> Path:
        """Seals outside of the database."""
        return self.place / "seals.csv"

    @contextmanager
    def web_server(self, url: str) -> Iterator[int]:
        """Serve, with a log that is looked at only when something went wrong."""
        log = self.place.with_name(f"{self.place.name}-web.log")
        with log.open("a") as file, web(url, log=file) as (port, _):
            yield port

    def require(self, holds: bool, text: str) -> None:
        """Say whether something is as it has to be, and remember if not."""
        say(f"   {'ok     ' if holds else 'PROBLEM'} {text}")
        if not holds:
            self.problems.append(text)


@dataclass(frozen=True)
class Lost:
    """What is known of the server that was lost."""

    point: dt.datetime
    at_point: Books
    bills: Bills
    archived_at: dt.datetime
    sender: Sender
    hours: Sequence[dt.datetime]


# --- Backup ----------------------------------------------------------------------------------------


@contextmanager
def running(directory: Path) -> Iterator[Server]:
    """Run PostgreSQL on a directory."""
    server = Server(directory, postgres.start(directory))
    try:
        yield server
    finally:
        postgres.stop(server.process)
        shutil.rmtree(socket_directory(directory), ignore_errors=True)


def archive_log(server: Server, archive: Path) -> None:
    """Let the server copy each finished file of its log; `archive_mode` needs a restart."""
    for name, value in {
        "archive_mode": "on",
        "archive_command": f"test ! -f '{archive}/%f' && cp '%p' '{archive}/%f'",
    }.items():
        with server.connect() as connection:
            statement = psycopg.sql.SQL("ALTER SYSTEM SET {} = {}")
            connection.execute(statement.format(psycopg.sql.Identifier(name), psycopg.sql.Literal(value)))
    postgres.stop(server.process)
    server.process = postgres.start(server.directory)


def back_up(server: Server, base: Path, *options: str) -> None:
    """Copy the running server's files, and check the copy against its manifest."""
    make_private(base)
    programs = find_programs()
    command: list[str | Path] = [
        programs / "pg_basebackup",
        f"--dbname=host={socket_directory(server.directory)} user=postgres",
        f"--pgdata={base}",
        "--checkpoint=fast",
        "--no-password",
        *options,
    ]
    run_as_server(command)
    run_as_server([programs / "pg_verifybackup", "--quiet", base])


def run_as_server(command: Sequence[str | Path]) -> None:
    """Run one of PostgreSQL's programs; end the drill with what it complains of."""
    done = subprocess.run(
        command, check=False, cwd="/", capture_output=True, text=True, **postgres.as_server_account()
    )
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name}: {done.stderr}")


def finish_log_file(server: Server) -> dt.datetime:
    """End the present file of the log, wait until it is archived, and return when it was ended."""
    at: dt.datetime = server.ask("SELECT clock_timestamp()")
    name = server.ask("SELECT pg_walfile_name(pg_switch_wal())")
    deadline = time.monotonic() + SECONDS_TO_ARCHIVE
    while (server.ask("SELECT last_archived_wal FROM pg_stat_archiver") or "") < name:
        if time.monotonic() > deadline:
            failure = server.ask("SELECT last_failed_wal FROM pg_stat_archiver")
            raise SystemExit(f"The log is not archived; last failed: {failure}.")
        time.sleep(0.1)
    return at


# --- Loss ------------------------------------------------------------------------------------------


def live_and_lose(drill: Drill) -> Lost:
    """Run the product with backups until its server is killed and its files are removed."""
    directory = drill.place / "lost"
    make_reachable(directory)
    server = Server(directory, postgres.start(directory))
    try:
        archive_log(server, drill.archive)
        manage(server.url, "prepare")
        with drill.web_server(server.url) as port:
            lost = live(drill, server, port)
    finally:
        server.process.kill()
        server.process.wait()
    shutil.rmtree(directory)
    say("   The files of the server are removed; base backup and archive are all that is left.")
    return lost


def live(drill: Drill, server: Server, port: int) -> Lost:
    """Report usage, close hours and book payments, and kill the server in the middle of more usage."""
    hours = last_hours(6)
    sender = Sender(set_stage(server.url, first=hours[0]))

    def report_and_close(*some: dt.datetime) -> None:
        for hour in some:
            for batch in batches(calls(hour, RECORDS_AN_HOUR), 100):
                sender.send(port, batch)
            for line in close(server.url, hour, seals=drill.seals):
                say(f"   Closed {line}")

    say("1. Usage of two hours is reported through the API and closed; then a base backup.")
    report_and_close(*hours[:2])
    back_up(server, drill.base)
    say(f"   pg_basebackup, pg_verifybackup: {_megabytes(drill.base)} MB.")
    say("2. A third hour, and a payment. That is the point in time.")
    report_and_close(hours[2])
    pay(server.url, amount="12.34", now=hours[3])
    with server.connect() as connection:
        at_point = read_books(connection)
    point: dt.datetime = server.ask("SELECT clock_timestamp()")
    time.sleep(0.2)
    say(f"   {point:%Y-%m-%d %H:%M:%S.%f %Z}: {at_point}.")
    say("3. A fourth hour, another payment. The file of the log is finished and archived.")
    report_and_close(hours[3])
    pay(server.url, amount="56.78", now=hours[4])
    archived_at = finish_log_file(server)
    say(f"   Archived until {archived_at:%H:%M:%S.%f}: {len(list(drill.archive.iterdir()))} files.")
    say("4. A fifth hour is reported and closed; while a sixth is reported, the server is killed.")
    report_and_close(hours[4])
    with server.connect() as connection:
        bills = read_bills(connection)
    kill_under_load(server, sender, port, hours[5])
    return Lost(point, at_point, bills, archived_at, sender, hours)


def kill_under_load(server: Server, sender: Sender, port: int, hour: dt.datetime) -> None:
    """Kill the server while batches of ten are reported, until the first that is not taken."""
    ends: list[str] = []
    load = list(batches(calls(hour, 20_000), 10))

    def go_on() -> None:
        try:
            for batch in load:
                sender.send(port, batch)
        except NotTaken as error:
            ends.append(str(error))

    before = len(sender.acknowledged)
    thread = threading.Thread(target=go_on)
    thread.start()
    time.sleep(SECONDS_OF_LAST_LOAD)
    server.process.kill()
    server.process.wait()
    thread.join()
    say(
        f"   {len(sender.acknowledged) - before:,} more records were acknowledged, the next batch was not ("
        f"{ends[0][:120] if ends else 'all were sent'})."
    )


# --- Restore ---------------------------------------------------------------------------------------


@contextmanager
def restored(drill: Drill, name: str, *, until: dt.datetime | None = None) -> Iterator[Server]:
    """Restore the base backup and the archived log, to a point in time or as far as it goes, and run that."""
    directory = drill.place / name
    make_reachable(directory)
    subprocess.run(["cp", "--archive", drill.base, directory / "postgresql"], check=True)
    settings = {
        "restore_command": f"cp '{drill.archive}/%f' '%p'",
        "archive_mode": "off",  # else it would add to the archive of the server that was lost
        **({"recovery_target_time": str(until), "recovery_target_action": "promote"} if until else {}),
    }
    with (directory / "postgresql" / "postgresql.auto.conf").open("a") as file:
        file.writelines(
            f"{key} = '{value.replace(chr(39), 2 * chr(39))}'\n" for key, value in settings.items()
        )
    (directory / "postgresql" / "recovery.signal").touch()
    with running(directory) as server:
        while server.ask("SELECT pg_is_in_recovery()"):
            time.sleep(0.1)
        yield server
    shutil.rmtree(directory)


def restore_to_point(drill: Drill, lost: Lost, *, forge: bool) -> None:
    """Restore to the point in time: everything is as it was."""
    say(f"5. Restored to {lost.point:%Y-%m-%d %H:%M:%S.%f %Z}:")
    with restored(drill, "point", until=lost.point) as server:
        if forge:
            with server.connect() as connection:
                connection.execute("ALTER TABLE invoices_hourlybill DISABLE TRIGGER bills_are_append_only")
                connection.execute(
                    "UPDATE invoices_hourlybill SET amount = amount + 0.01"
                    " WHERE number = (SELECT min(number) FROM invoices_hourlybill)"
                )
            say("   (One fen is added to a bill by hand, as asked.)")
        with server.connect() as connection:
            found = read_books(connection)
        different = differences(lost.at_point, found)
        drill.require(not different, "; ".join(different) or f"all tables are identical: {found}")
        verify(drill, server)


def restore_to_end(drill: Drill, lost: Lost) -> None:
    """Restore what was archived, name what is missing, and fill the gap from the senders."""
    say("6. Restored as far as the archive goes:")
    with restored(drill, "end") as server:
        reached: dt.datetime = server.ask("SELECT pg_last_xact_replay_timestamp()")
        say(f"   The last commit in it is of {reached:%H:%M:%S.%f}.")
        name_missing(drill, lost, server, reached)
        say("7. The sender sends all that it ever sent once more, and the hours are closed again:")
        with drill.web_server(server.url) as port:
            send_again(drill, lost, port)
        for line in close(server.url, lost.hours[4], seals=drill.place / "other.csv"):
            say(f"   Closed {line}")
        with server.connect() as connection:
            found = read_bills(connection)
        same = lost.bills == found
        drill.require(same, f"{len(found & lost.bills)} of {len(lost.bills)} bills and their seals as before")
        verify(drill, server, "--seals", str(drill.seals))


def name_missing(drill: Drill, lost: Lost, server: Server, reached: dt.datetime) -> None:
    """Name the acknowledged records and the closed hours that are not in the archive."""
    with server.connect() as connection:
        stored = {row[0] for row in connection.execute("SELECT event_id FROM usage_usagerecord")}
    acknowledged = lost.sender.acknowledged
    missing = sorted(acknowledged.keys() - stored, key=lambda one: acknowledged[one])
    late = [one for one in missing if acknowledged[one] <= lost.archived_at]
    drill.require(not late, f"nothing is missing that was acknowledged until {lost.archived_at:%H:%M:%S.%f}")
    beyond = [one for one in stored if one in acknowledged and acknowledged[one] > lost.archived_at]
    if beyond:
        say(f"   {len(beyond)} records are there that were acknowledged later.")
    if missing:
        first, last = missing[0], missing[-1]
        say(
            f"   {len(missing):,} of {len(acknowledged):,} acknowledged records are missing: from {first} "
            f"({acknowledged[first]:%H:%M:%S.%f}) to {last} ({acknowledged[last]:%H:%M:%S.%f})."
        )
    named = drill.place.with_name(f"{drill.place.name}-missing.txt")
    named.write_text("".join(f"{one}\n" for one in missing))
    say(f"   Their ids are in {named}.")
    output = verify_books(server.url, "--seals", str(drill.seals))
    closed = [line for line in output.stdout.splitlines() if "is not closed here" in line]
    drill.require(len(closed) == 1, f"verify_books --seals names the hour that was closed after it: {closed}")


def send_again(drill: Drill, lost: Lost, port: int) -> None:
    """Send everything once more; what is there counts as duplicate."""
    accepted = duplicates = 0
    for batch in batches(list(lost.sender.sent.values()), 1000):
        new, old = lost.sender.send(port, batch)
        accepted, duplicates = accepted + new, duplicates + old
    text = f"{accepted:,} records accepted, {duplicates:,} were there"
    drill.require(accepted + duplicates == len(lost.sender.sent), text)


def verify(drill: Drill, server: Server, *arguments: str) -> None:
    """Verify the books."""
    done = verify_books(server.url, *arguments)
    lines = [line for line in done.stdout.splitlines() if line]
    drill.require(done.returncode == 0, f"{' '.join(['verify_books', *arguments])}: {' '.join(lines[1:])}")


def _megabytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) // 2**20


def main() -> int:
    """Run the drill and return 0 if everything is as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--forge", action="store_true", help="change a bill before it is compared: ends with 1"
    )
    options = parser.parse_args()
    postgres.stop_in_order_on_signals()
    drill = Drill(make_temporary())
    say(f"PostgreSQL's programs: {find_programs()}")
    try:
        make_private(drill.archive)
        lost = live_and_lose(drill)
        restore_to_point(drill, lost, forge=options.forge)
        restore_to_end(drill, lost)
    finally:
        shutil.rmtree(drill.place, ignore_errors=True)
    for problem in drill.problems:
        say(f"PROBLEM: {problem}")
    say("The drill failed." if drill.problems else "Bills, seals and balances are what they were.")
    return 1 if drill.problems else 0


if __name__ == "__main__":
    sys.exit(main())
