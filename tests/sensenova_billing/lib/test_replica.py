"""Files and the usage page are read from a replica, where there is one that is not too far behind."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server import manage
from drills.restore import Server, back_up, running
from sensenova_billing.dev_server import postgres
from sensenova_billing.dev_server.data_directory import make_reachable, make_temporary
from tests.sensenova_billing.processes import ask, eventually, temporary_data_directory

PRODUCTION = "sensenova_billing.settings"
MEMBER = """
from accounts.models import Customer, Member, User
customer = Customer.objects.create(code="acme", name="Acme Ltd")
person = User.objects.create_user("alice@acme.example", "correct horse battery staple")
Member.objects.create(role="owner", customer=customer, user=person)
"""
BILL = """
from tests.builders import close, record, report
record(report())
close()
"""
READ = """
from zoneinfo import ZoneInfo
from django.test import Client
from accounts.models import User
from invoices.models import HourlyBill
from tests.builders import at
browser = Client()
browser.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
number, day = HourlyBill.objects.get().number, at(0).astimezone(ZoneInfo("Asia/Shanghai")).date()
usage = f"usage.csv?from={day}&to={day}"
for page, shown in (("bills", number), ("bills.csv", number), (usage, "SenseChat-5")):
    answer = browser.get(f"/customers/acme/{page}")
    print(page[:9], answer.status_code, shown.encode() in answer.getvalue())
"""


@dataclass(frozen=True)
class Pair:
    """A primary, and a replica that replays nothing since before the bill."""

    primary: str
    replica: Server

    def read(self, **environment: str) -> list[str]:
        """Return what a person reads: each page, its status, and whether the bill is in it."""
        chosen: Any = {"REPLICA_DATABASE_URL": self.replica.url, "ALLOWED_HOSTS": "testserver", **environment}
        return manage(
            self.primary, "shell", "-v0", code=READ, DJANGO_SETTINGS_MODULE=PRODUCTION, **chosen
        ).splitlines()


@pytest.fixture(scope="module")
def pair(prepared: Path) -> Iterator[Pair]:
    place = make_temporary()
    with temporary_data_directory(prepared) as directory:
        primary = Server(directory, postgres.start(directory))
        make_reachable(place / "replica")
        back_up(primary, place / "replica" / "postgresql", "--write-recovery-conf")
        with running(place / "replica") as replica:
            manage(primary.url, "shell", "-v0", code=MEMBER, DJANGO_SETTINGS_MODULE=PRODUCTION)
            assert eventually(lambda: replica.ask("SELECT count(*) FROM accounts_member"), seconds=20)
            replica.ask("SELECT pg_wal_replay_pause()")
            manage(primary.url, "shell", "-v0", code=BILL, DJANGO_SETTINGS_MODULE=PRODUCTION)
            yield Pair(primary.url, replica)
        postgres.stop(primary.process)
    shutil.rmtree(place)


def test_files_come_from_the_replica_and_pages_of_bills_do_not(pair):
    assert ask(pair.replica.url, "SELECT pg_is_in_recovery()")

    assert pair.read() == ["bills 200 True", "bills.csv 200 False", "usage.csv 200 False"]


def test_a_replica_that_is_too_far_behind_or_stopped_is_not_read(pair):
    everything = ["bills 200 True", "bills.csv 200 True", "usage.csv 200 True"]

    assert pair.read(REPLICA_MOST_LAG_SECONDS="0") == everything
    postgres.stop(pair.replica.process)
    assert pair.read() == everything
