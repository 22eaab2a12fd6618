"""Names of services, aliases, groups and people: what they may hold, and which of them differ."""

from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Customer, ServiceKey, User
from pricing.changes.apply import RowState, dry_run
from pricing.files.formats import read_rows
from pricing.migrations import __file__ as migrations
from pricing.models import Service, ServiceAlias, ServiceGroup

pytestmark = pytest.mark.django_db

MIGRATION = Path(migrations).parent / "0011_aliases_are_no_names_of_services"
COMES_FIRST = "SenseChat is the name of a service, which comes first: as an alias it would never count."


@pytest.fixture
def service():
    return Service.objects.get(name="SenseChat-5")


def errors(answer):
    page = answer.context
    return (page["adminform"].form if "adminform" in page else page["form"]).errors


def outcome(head, line):
    reading = read_rows(data=f"sheet,{head}\n{line}\n".encode(), name="names.csv")
    with dry_run(rows=[stated.row for stated in reading.stated], now=timezone.now()) as plan:
        return plan.changes[0].state, plan.changes[0].reason


def test_an_alias_that_is_the_name_of_a_service_is_refused_at_the_form(service, operator_client):
    fields = {"alias": "SenseChat", "service": service.pk, "reason": "The gateway says so."}

    answer = operator_client.post(reverse("admin:pricing_servicealias_add"), fields)

    assert errors(answer) == {"alias": [COMES_FIRST]}
    assert not ServiceAlias.objects.exists()


def test_an_alias_is_not_changed_into_the_name_of_a_service(service, operator_client):
    alias = ServiceAlias.objects.create(alias="chat", service=service)
    fields = {"alias": "SenseChat", "service": service.pk, "reason": "The gateway says so."}

    answer = operator_client.post(reverse("admin:pricing_servicealias_change", args=[alias.pk]), fields)

    assert errors(answer) == {"alias": [COMES_FIRST]}


def test_a_service_with_the_name_of_an_alias_is_refused_at_the_form(service, operator_client):
    ServiceAlias.objects.create(alias="nova-9", service=service)
    fields = {"name": "nova-9", "group": service.group_id, "position": 1}

    answer = operator_client.post(reverse("admin:pricing_service_add"), fields)

    assert errors(answer) == {"name": ["nova-9 is an alias of SenseChat-5: remove the alias first."]}
    assert not Service.objects.filter(name="nova-9").exists()


def test_a_file_is_refused_in_the_same_words():
    assert outcome("alias,service", "aliases,SenseChat,SenseChat-5") == (RowState.REFUSED, COMES_FIRST)


def test_a_file_adds_no_service_with_the_name_of_an_alias(service):
    ServiceAlias.objects.create(alias="nova-9", service=service)

    state, reason = outcome("name,group,position", f"services,nova-9,{service.group},1")

    assert state == RowState.REFUSED
    assert reason == "nova-9 is an alias of SenseChat-5: remove the alias before a service has this name."


def test_the_database_refuses_both_whatever_writes_them(service):
    ServiceAlias.objects.create(alias="nova-9", service=service)

    for refused in (
        ServiceAlias(alias="SenseChat", service=service),
        Service(name="nova-9", group=service.group),
    ):
        with pytest.raises(IntegrityError, match="alias"):
            save_alone(refused)


def save_alone(row):
    with transaction.atomic():
        row.save()


@pytest.mark.parametrize("alias", ["sensechat", "SENSECHAT", "SenseChat-", "vendor/SenseChat"])
def test_aliases_are_compared_byte_for_byte_as_they_are_looked_up(alias, service, operator_client):
    fields = {"alias": alias, "service": service.pk, "reason": "The gateway says so."}

    operator_client.post(reverse("admin:pricing_servicealias_add"), fields)

    assert ServiceAlias.objects.get().alias == alias


NAMES = {
    "customer": ("admin:accounts_customer_add", "name", {"code": "initech", "time_zone": "UTC"}),
    "key": ("admin:accounts_servicekey_add", "name", {"scopes": "usage:write", "is_limited": "False"}),
    "group": ("admin:pricing_servicegroup_add", "name", {"family": "SenseNova", "position": "9"}),
    "family": ("admin:pricing_servicegroup_add", "family", {"name": "New", "position": "9"}),
    "service": ("admin:pricing_service_add", "name", {"position": "9"}),
    "alias": ("admin:pricing_servicealias_add", "alias", {"reason": "The gateway says so."}),
    "person": ("account", "name", {"language": ""}),
}


@pytest.mark.parametrize(("page", "field", "fields"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("character", ["\n", "\t", "\x7f", "\x85", "\u2028"], ids=ascii)
def test_no_name_in_a_form_holds_a_control_character(
    page, field, fields, character, service, operator_client
):
    links = {"service": service.pk, "group": service.group_id}
    counted = (Customer, ServiceKey, ServiceGroup, Service, ServiceAlias, User)
    before = [model.objects.count() for model in counted]

    answer = operator_client.post(reverse(page), links | fields | {field: f"a{character}b"})

    assert errors(answer)[field] == ["This must not hold control characters or line breaks."]
    assert [model.objects.count() for model in counted] == before


@pytest.mark.parametrize("name", ["a\tb", "a\x7fb", "a\u2028b", " a", "a ", "\u00a0a"], ids=ascii)
def test_no_name_in_a_file_holds_a_control_character_or_blanks_around(name):
    state, reason = outcome("name,family,position", f'service groups,"{name}",SenseNova,9')

    assert state == RowState.REFUSED
    assert reason.startswith("This must not")


def run_migration(suffix):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute((MIGRATION.parent / f"{MIGRATION.name}.{suffix}").read_text())


def test_an_alias_that_never_counted_goes_with_the_migration_and_leaves_an_entry(service):
    run_migration("reverse.sql")
    for alias in ("SenseChat", "chat"):
        ServiceAlias.objects.create(alias=alias, service=service)

    run_migration("sql")

    assert [alias.alias for alias in ServiceAlias.objects.all()] == ["chat"]
    entry = AuditEntry.objects.filter(table="pricing_servicealias").latest("pk")
    assert (entry.deed, (entry.before or {})["alias"]) == ("removed", "SenseChat")
    assert entry.reason == "An alias that is the name of a service never counts."
