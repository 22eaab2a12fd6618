"""Two people, one form: nothing is saved over a change that was not seen."""

import datetime as dt

import pytest
from django.contrib import admin
from django.core.signing import Signer
from django.db import connection
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts.api_keys.keys import issue_service_key
from accounts.audit.audited_admin import AuditedAdmin
from accounts.audit.context import audit_context, changes_since
from accounts.audit.edit_conflicts import entries_since
from accounts.models import AuditEntry, Customer, Member, Scope, ServiceKey, User
from pricing.models import CallSpecification, Service, ServiceAlias, ServiceGroup
from tests.browsing import fields_of
from tests.concurrency.threads import PATIENCE, together

pytestmark = pytest.mark.django_db

OTHER = "other@sensenova.example"
SOON = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=3)


def page_of(row, what="change"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{what}", args=[row.pk])


def opened(client, row, what="change"):
    """The fields of a row's page as it is now."""
    return fields_of(client.get(page_of(row, what)))


def change(row, **values):
    """Let another person change a row."""
    with audit_context(by=OTHER):
        type(row).objects.filter(pk=row.pk).update(**values)


def send(client, row, fields, what="change"):
    return client.post(page_of(row, what), fields, follow=True)


def errors(answer):
    return list(answer.context["adminform"].form.non_field_errors())


@pytest.fixture
def key(acme):
    key, _ = issue_service_key(
        name="gateway", scopes=[Scope.USAGE_WRITE, Scope.BILLING_READ], customers=[acme]
    )
    return key


@pytest.fixture
def scheduled(acme):
    return CallSpecification.objects.create(
        service=Service.objects.get(name="SenseChat-5"), customer=acme, rpm=50, begins_at=SOON
    )


@pytest.fixture
def alias():
    return ServiceAlias.objects.create(alias="gpt-x", service=Service.objects.earliest("pk"))


def test_a_form_that_did_not_show_a_suspension_does_not_undo_it(acme, operator_client):
    fields = opened(operator_client, acme)
    change(acme, is_suspended=True)

    answer = send(operator_client, acme, fields | {"name": "Acme & Sons"})

    acme.refresh_from_db()
    assert (acme.name, acme.is_suspended) == ("Acme Ltd", True)
    first, what, last = errors(answer)
    assert first == "This was changed after you opened it, so nothing was saved or deleted."
    assert what.startswith(f"{OTHER}, 20")
    assert what.endswith("UTC: suspended: no → yes.")
    assert "save again" in last


def test_what_was_seen_is_saved_with_what_was_entered_and_with_what_others_changed(acme, operator_client):
    fields = opened(operator_client, acme)
    change(acme, is_suspended=True)
    shown = fields_of(send(operator_client, acme, fields | {"name": "Acme & Sons"}))

    send(operator_client, acme, shown)

    acme.refresh_from_db()
    assert (acme.name, acme.is_suspended) == ("Acme & Sons", True)


def test_what_both_changed_is_as_the_second_entered_it_once_it_was_seen(acme, operator_client):
    fields = opened(operator_client, acme)
    change(acme, name="Acme Inc")
    shown = fields_of(send(operator_client, acme, fields | {"name": "Acme & Sons"}))
    assert Customer.objects.get().name == "Acme Inc"

    send(operator_client, acme, shown)

    assert Customer.objects.get().name == "Acme & Sons"


def test_what_changed_after_it_was_seen_is_shown_as_well(acme, operator_client):
    fields = opened(operator_client, acme)
    change(acme, name="Acme Inc")
    shown = fields_of(send(operator_client, acme, fields))
    change(acme, time_zone="Europe/Berlin")

    answer = send(operator_client, acme, shown)

    assert [what for what in errors(answer) if "Europe/Berlin" in what]
    assert not [what for what in errors(answer) if "Acme Inc" in what]


def test_a_form_without_a_conflict_is_saved_at_once(acme, globex, operator_client):
    fields = opened(operator_client, acme)
    change(globex, name="Globex AG")

    send(operator_client, acme, fields | {"name": "Acme & Sons"})

    assert Customer.objects.get(code="acme").name == "Acme & Sons"


def test_scopes_that_were_taken_away_do_not_come_back(key, operator_client):
    fields = opened(operator_client, key)
    change(key, scopes=[Scope.USAGE_WRITE])
    shown = fields_of(send(operator_client, key, fields | {"name": "gateway-2"}))

    assert ServiceKey.objects.get().scopes == [Scope.USAGE_WRITE]
    send(operator_client, key, shown)
    assert (ServiceKey.objects.get().name, ServiceKey.objects.get().scopes) == ("gateway-2", ["usage:write"])


def test_customers_that_were_taken_from_a_key_do_not_come_back(key, globex, operator_client):
    key.customers.add(globex)
    fields = opened(operator_client, key)
    with audit_context(by=OTHER):
        key.customers.remove(globex)

    answer = send(operator_client, key, fields | {"name": "gateway-2"})

    assert [*key.customers.values_list("code", flat=True)] == ["acme"]
    assert errors(answer)[1].endswith(f"removed customer of a service key {key} - globex.")
    send(operator_client, key, fields_of(answer))
    assert [*key.customers.values_list("code", flat=True)] == ["acme"]
    assert ServiceKey.objects.get().name == "gateway-2"


def test_limits_that_were_raised_are_not_lowered_again(scheduled, operator_client):
    fields = opened(operator_client, scheduled)
    change(scheduled, rpm=100)

    answer = send(operator_client, scheduled, fields | {"tpm": "7", "reason": "They asked for it."})

    assert "RPM: 50 → 100." in errors(answer)[1]
    shown = fields_of(answer)
    assert (shown["rpm"], shown["tpm"], shown["begins_at_0"]) == (["100"], ["7"], [f"{SOON:%Y-%m-%d}"])
    send(operator_client, scheduled, shown)
    scheduled.refresh_from_db()
    assert (scheduled.rpm, scheduled.tpm, scheduled.begins_at) == (100, 7, SOON)


def test_scheduled_limits_that_were_changed_are_not_taken_back_unseen(scheduled, operator_client):
    page = reverse("admin:pricing_callspecification_take_back", args=[scheduled.pk])
    fields = fields_of(operator_client.get(page)) | {"reason": "Not needed."}
    change(scheduled, rpm=100)

    answer = operator_client.post(page, fields, follow=True)

    assert CallSpecification.objects.filter(pk=scheduled.pk).exists()
    assert "RPM: 50 → 100" in answer.content.decode()
    operator_client.post(page, fields_of(answer) | {"reason": "Not needed."})
    assert not CallSpecification.objects.filter(pk=scheduled.pk).exists()


def test_a_member_who_was_added_meanwhile_is_shown_and_stays(acme, bob, operator_client):
    fields = opened(operator_client, acme)
    with audit_context(by=OTHER):
        Member.objects.create(customer=acme, user=bob)

    answer = send(operator_client, acme, fields | {"name": "Acme & Sons"})

    assert errors(answer)[1].endswith("added member bob@globex.example for acme.")
    send(operator_client, acme, fields_of(answer))
    assert (acme.members.get().user, Customer.objects.get(code="acme").name) == (bob, "Acme & Sons")


def test_a_member_who_was_removed_meanwhile_does_not_come_back(acme, alice, operator_client):
    fields = opened(operator_client, acme)
    with audit_context(by=OTHER):
        Member.objects.filter(user=alice).delete()

    answer = send(operator_client, acme, fields | {"name": "Acme & Sons"})

    assert "removed member" in errors(answer)[1]
    assert not acme.members.exists()


def test_a_transaction_that_ends_meanwhile_hides_no_change(acme, operator_client):
    """The version is a snapshot; whatever else runs in the database must not move it."""
    with together() as threads:
        threads.start(lambda: connection.cursor().execute("SELECT pg_current_xact_id()")).result(PATIENCE)
    fields = opened(operator_client, acme)
    change(acme, is_suspended=True)

    answer = send(operator_client, acme, fields)

    assert "suspended: no → yes." in errors(answer)[1]


@pytest.mark.parametrize("version", [None, "", "0", "forged"])
def test_a_form_of_which_it_is_not_known_when_it_was_opened_is_not_saved(version, acme, operator_client):
    fields = opened(operator_client, acme) | {"name": "Acme & Sons"}
    fields["version"] = [fields["version"][0].replace(":", ":1")] if version == "forged" else [version or ""]
    if version is None:
        fields["version"] = []

    answer = send(operator_client, acme, fields)

    assert errors(answer)[0].startswith("It is not known what was changed")
    assert Customer.objects.get().name == "Acme Ltd"
    send(operator_client, acme, fields_of(answer))
    assert Customer.objects.get().name == "Acme & Sons"


def test_a_mistake_in_the_form_does_not_hide_a_change(acme, operator_client):
    fields = opened(operator_client, acme)
    mistaken = fields_of(send(operator_client, acme, fields | {"time_zone": "Mars"}))
    change(acme, is_suspended=True)

    answer = send(operator_client, acme, mistaken | {"time_zone": "Europe/Berlin"})

    acme.refresh_from_db()
    assert (acme.is_suspended, acme.time_zone) == (True, "Asia/Shanghai")
    assert "suspended: no → yes." in errors(answer)[1]


def test_an_alias_that_was_turned_is_not_deleted_unseen(alias, operator_client):
    fields = opened(operator_client, alias, "delete")
    change(alias, service=Service.objects.latest("pk"))

    answer = send(operator_client, alias, fields, "delete")

    assert ServiceAlias.objects.filter(pk=alias.pk).exists()
    assert "nothing was saved or deleted" in answer.content.decode()
    send(operator_client, alias, fields_of(answer), "delete")
    assert not ServiceAlias.objects.filter(pk=alias.pk).exists()


def test_of_several_aliases_none_is_deleted_where_one_was_turned(alias, operator_client):
    other = ServiceAlias.objects.create(alias="gpt-y", service=alias.service)
    page = reverse("admin:pricing_servicealias_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [alias.pk, other.pk]}
    fields = fields_of(operator_client.post(page, chosen))
    change(other, service=Service.objects.latest("pk"))

    answer = operator_client.post(page, fields, follow=True)

    assert ServiceAlias.objects.count() == 2
    assert "nothing was saved or deleted" in answer.content.decode()


def test_what_was_deleted_meanwhile_is_not_saved_again(alias, operator_client):
    fields = opened(operator_client, alias) | {"reason": "It moved."}
    with audit_context(by=OTHER):
        ServiceAlias.objects.all().delete()

    answer = send(operator_client, alias, fields)

    assert not ServiceAlias.objects.exists()
    assert "Perhaps it was deleted?" in answer.content.decode()


# --- Every form that edits ----------------------------------------------------------------------------------


@pytest.fixture
def one_of_each(acme, alice, key, scheduled, alias):
    """A row of every model that the admin edits, and what another person changes of it."""
    return {
        Customer: (acme, {"name": "Another"}),
        User: (alice, {"name": "Another"}),
        ServiceKey: (key, {"name": "another"}),
        ServiceGroup: (ServiceGroup.objects.first(), {"position": 77}),
        Service: (Service.objects.first(), {"position": 77}),
        ServiceAlias: (alias, {"alias": "another"}),
        CallSpecification: (scheduled, {"rpm": 77}),
    }


def edited(rf, operator):
    request = rf.get("/")
    request.user = operator
    return {model for model, its in admin.site._registry.items() if its.has_change_permission(request)}


def test_every_admin_that_edits_compares_before_it_saves(one_of_each, rf, operator):
    assert edited(rf, operator) == one_of_each.keys()
    assert all(isinstance(admin.site._registry[model], AuditedAdmin) for model in one_of_each)
    assert not [its for its in admin.site._registry.values() if its.list_editable]


@pytest.mark.parametrize(
    "model", [Customer, User, ServiceKey, ServiceGroup, Service, ServiceAlias, CallSpecification]
)
def test_no_form_saves_over_a_change_that_was_not_seen(model, one_of_each, operator_client):
    row, values = one_of_each[model]
    fields = opened(operator_client, row) | {"reason": "Looks good."}
    change(row, **values)
    before = AuditEntry.objects.count()

    answer = send(operator_client, row, fields)
    after = AuditEntry.objects.count()
    shown = fields_of(answer) | {"reason": "Looks good."}
    again = send(operator_client, row, shown)

    assert [answer.status_code, after] == [200, before]
    assert errors(answer)[0].startswith("This was changed after you opened it")
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in values} == values
    assert again.redirect_chain  # it was saved once the change was seen


def test_no_page_tells_the_hash_of_a_password(alice, operator_client):
    assert "initial-password" not in opened(operator_client, alice)


def test_the_version_of_a_page_that_an_earlier_release_served_is_still_read(acme):
    snapshot, _ = changes_since(snapshot=None)
    served = Signer(salt="accounts.edit_conflicts").sign(snapshot)

    assert entries_since(served, about=Q()) == []
