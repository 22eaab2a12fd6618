"""The cast and servers that tests share, and the instant at which tests play."""

import datetime as dt
import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from _pytest import runner
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from django.utils import translation
from xdist.scheduler import LoadFileScheduling

from accounts.api_keys import keys
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, Member, MemberRole, User
from benchmarks.cluster import database_on_all_nodes
from invoices.monitoring import alarms, customer_revenue
from pricing.catalogue.initial import load_catalogue
from tests import citus
from tests.browsing import Browser
from tests.builders import THE_HOUR
from tests.redis_server import know_server, redis_server
from tests.sensenova_billing.processes import prepare_cluster
from tests.throwaway_postgres import OWN_SERVER
from usage.distribution.distribute import distribute
from usage.limits import admission
from usage.limits.entitlements import Entitlements
from usage.limits.stores import choice
from usage.refused import counters
from usage.refused.counters import RefusalCounters

PASSWORD = "correct horse battery staple"
TEMPLATE = "test_template"
# Files with tests of `product`, which takes long to start.
USES_THE_PRODUCT = {
    "test_first_hour.py",
    "test_refused_usage_on_stop.py",
    "test_secret_key.py",
    "test_slow_connections.py",
    "test_supervisor.py",
}


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Begin each test in English; a page in Chinese leaves its language to the thread."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """On Citus the database is made before Django would, on all nodes."""
    return bool(citus.URL or request.config.getvalue("reuse_db"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[None]:
    """Migrate one database; that of each process is a copy of it."""
    if citus.URL:
        tests = connection.settings_dict["TEST"]
        with database_on_all_nodes(citus.URL, tests["NAME"] or f"test_{connection.settings_dict['NAME']}"):
            yield
        return
    if "PYTEST_XDIST_WORKER" not in os.environ or OWN_SERVER not in os.environ:
        yield
        return
    with _made_by_the_first(tmp_path_factory, TEMPLATE) as made, django_db_blocker.unblock():
        if not made.exists():
            _make_template()
            made.touch()
    connection.settings_dict["TEST"]["TEMPLATE"] = TEMPLATE
    yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Every test finds the catalogue of the price page."""
    with django_db_blocker.unblock():
        load_catalogue()
        if citus.URL:
            distribute(shards=citus.SHARDS)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has read of customers, limits and bills, the next one reads anew."""
    _forget(monkeypatch)


@pytest.fixture(scope="module")
def shared_stage(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., Any]]:
    """Set a stage once for all tests of a module: `shared_stage(function)`; each finds it as it was made.

    The stage is one transaction, a test a savepoint within it. Tests that need an empty database, or that
    commit, are in other modules.
    """
    outer = transaction.atomic()
    outer._from_testcase = True  # type: ignore[attr-defined]  # what is durable may begin within it

    def make(stage: Callable[[], Any]) -> Any:
        with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as monkeypatch:
            _forget(monkeypatch)
            return stage()

    with django_db_blocker.unblock():
        outer.__enter__()
    yield make
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        outer.__exit__(None, None, None)


@pytest.fixture
def acme() -> Customer:
    """Uses the services and pays for it."""
    return make_acme()


@pytest.fixture
def globex() -> Customer:
    """Must see nothing of Acme's."""
    return make_globex()


@pytest.fixture
def alice(acme: Customer) -> User:
    """Acts for Acme."""
    return _member(customer=acme, email="alice@acme.example")


@pytest.fixture
def bob(globex: Customer) -> User:
    """Acts for Globex."""
    return _member(customer=globex, email="bob@globex.example")


@pytest.fixture
def operator() -> User:
    """Works for SenseNova and uses the admin."""
    return User.objects.create_superuser("operator@sensenova.example", PASSWORD)


@pytest.fixture
def alice_client(alice: User) -> Client:
    """Alice's browser, signed in."""
    return _signed_in(alice)


@pytest.fixture
def bob_client(bob: User) -> Client:
    """Bob's browser, signed in."""
    return _signed_in(bob)


@pytest.fixture
def operator_client(operator: User) -> Client:
    """The operator's browser, signed in."""
    return _signed_in(operator)


@pytest.fixture
def now() -> dt.datetime:
    """A quarter past two hours after THE_HOUR: the hour has ended, and its grace as well."""
    return THE_HOUR + dt.timedelta(hours=2, minutes=15)


@pytest.fixture
def unbounded(settings: Any) -> None:
    """However much an hour costs, it is billed and not parked."""
    settings.PARK_ABOVE_AMOUNT = Decimal(10) ** 30


@pytest.fixture
def service_key() -> str:
    """The chat gateway's key, in full."""
    return issue_service_key(name="chat-gateway-1")[1]


@pytest.fixture
def post(service_key: str) -> Callable[..., Any]:
    """Post a body to the usage endpoint as the chat gateway does."""

    def post(body: Any, **headers: str) -> Any:
        return Client().post(
            "/api/v1/usage",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {service_key}", **headers},
        )

    return post


@pytest.fixture(scope="session")
def redis_of_all_tests() -> Iterator[str]:
    """A Redis that runs until the last test."""
    with redis_server() as url:
        yield url


@pytest.fixture
def redis_url(redis_of_all_tests: str) -> str:
    """An empty Redis."""
    with redis.Redis.from_url(redis_of_all_tests) as client:
        client.flushall()
    know_server(redis_of_all_tests)
    return redis_of_all_tests


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster to be copied, with every table and the catalogue; all processes of a run share one."""
    with _made_by_the_first(tmp_path_factory, "prepared-cluster") as cluster:
        if not cluster.exists():
            prepare_cluster(cluster)
    return cluster


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use one process more than there are cores: tests that start servers wait for much of their time."""
    return (os.cpu_count() or 1) + 1


class _BySharedServer(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """A file is one process's, and all files that share a server are the same one's: it starts once."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "files that share a product" if Path(file).name in USES_THE_PRODUCT else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Hand out tests by file, as `make test` asks, but for those that share a product."""
    return _BySharedServer(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> object:
    """Run a test as pytest does, from a frame that takes much room."""
    return runner.pytest_runtest_protocol(item, nextitem)


# Python keeps its frames in pieces of 16 KB. A function called at the end of one gets another from the
# system, and gives it back as it returns: that took a fifth of the time. A frame of 512 KB makes one of 1 MB.
pytest_runtest_protocol.__code__ = pytest_runtest_protocol.__code__.replace(co_stacksize=2**16)


def pytest_collection_finish() -> None:
    """Spare what is loaded by now, which stays until the end, from each collection of garbage."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start what takes minutes first: then no core has to wait for another at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def make_acme() -> Customer:
    """Acme, who uses the services and pays for it."""
    return Customer.objects.create(code="acme", name="Acme Ltd")


def make_globex() -> Customer:
    """Globex, who must see nothing of Acme's."""
    return Customer.objects.create(code="globex", name="Globex GmbH", time_zone="Europe/Berlin")


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_ENTITLEMENTS", Entitlements())
    monkeypatch.setattr(keys, "_KEY_CACHE", {})
    monkeypatch.setattr(counters, "REFUSALS", RefusalCounters())
    choice._redis_or_postgres.cache_clear()
    alarms._COUNTED.clear()
    customer_revenue._as_of.cache_clear()


@contextmanager
def _made_by_the_first(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """Give a path that all processes of a run share, to one of them at a time."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared / name


def _make_template() -> None:
    """Make a database with every table and the catalogue, to which nobody is connected."""
    named, tests = connection.settings_dict["NAME"], connection.settings_dict["TEST"]
    own_name, tests["NAME"] = tests["NAME"], TEMPLATE
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    load_catalogue()
    connection.close()
    tests["NAME"] = own_name
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = named


def _member(*, customer: Customer, email: str) -> User:
    user = User.objects.create_user(email, PASSWORD)
    Member.objects.create(role=MemberRole.OWNER, customer=customer, user=user)
    return user


def _signed_in(user: User) -> Client:
    client = Browser()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what tests of many requests recorded of the answers."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "answers":
                terminalreporter.write_line(value)
