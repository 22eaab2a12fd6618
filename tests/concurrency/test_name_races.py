"""Two who take one name at once, as a service's and as an alias: only one of them gets it."""

from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from pricing.catalogue.initial import load_catalogue
from pricing.migrations import __file__ as migrations
from pricing.models import Service, ServiceAlias
from tests.concurrency.threads import PATIENCE, together, wait_until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

MIGRATION = Path(migrations).parent / "0011_aliases_are_no_names_of_services.sql"
LOCK = "PERFORM pg_advisory_xact_lock"


@pytest.fixture
def service():
    load_catalogue()
    return Service.objects.get(name="SenseChat-5")


def add_service(service):
    Service.objects.create(name="nova-9", group=service.group)


def add_alias(service):
    ServiceAlias.objects.create(alias="nova-9", service=service)


@pytest.mark.parametrize(("first", "second"), [(add_service, add_alias), (add_alias, add_service)])
def test_of_two_who_take_one_name_at_once_the_second_is_refused(first, second, service):
    with together() as threads:
        with transaction.atomic():
            first(service)
            adding = threads.start(lambda: second(service))
            wait_until_waiting(1)
        with pytest.raises(IntegrityError, match="nova-9"):
            adding.result(PATIENCE)

    assert Service.objects.filter(name="nova-9").count() + ServiceAlias.objects.count() == 1


@pytest.fixture
def without_lock():
    """The trigger as it would be if it only looked."""
    function = MIGRATION.read_text().partition("CREATE FUNCTION")[2].partition("CREATE TRIGGER")[0]
    unlocked = function.replace(LOCK, "-- ")
    assert unlocked != function
    with connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE FUNCTION" + unlocked)
    yield
    with connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE FUNCTION" + function)


@pytest.mark.usefixtures("without_lock")
def test_without_the_lock_both_would_have_the_name(service):
    """The control: what the test above would see if the trigger only looked."""
    with together() as threads, transaction.atomic():
        add_service(service)
        threads.start(lambda: add_alias(service)).result(PATIENCE)

    assert Service.objects.filter(name="nova-9").count() + ServiceAlias.objects.count() == 2
