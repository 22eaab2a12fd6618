"""Admins change limits in one step, and read what became of those that were there."""

import datetime as dt
import html
import re

import pytest
from django.urls import reverse

from accounts.models import AuditEntry
from pricing.models import CallSpecification, Service

pytestmark = pytest.mark.django_db

ADD = "admin:pricing_callspecification_add"
CHANGE = "admin:pricing_callspecification_change"
LIST = "admin:pricing_callspecification_changelist"
TAKE_BACK = "admin:pricing_callspecification_take_back"
A_DAY = dt.timedelta(days=1)


@pytest.fixture
def service():
    return Service.objects.get(name="SenseChat-5")


@pytest.fixture
def add(operator_client, service):
    """Send the form of new limits, and follow it to the page that says what happened."""

    def add(*, begins=None, ends=None, customer=None, **fields):
        sent = {"service": service.pk, "customer": customer.pk if customer else "", "rpm": 90, "tpm": 5000}
        sent |= split("begins_at", begins) | split("ends_at", ends) | {"reason": "They asked."} | fields
        return said(operator_client.post(reverse(ADD), sent, follow=True))

    return add


def split(name, instant):
    day, time = (f"{instant:%Y-%m-%d}", f"{instant:%H:%M:%S}") if instant else ("", "")
    return {f"{name}_0": day, f"{name}_1": time}


def said(answer):
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def tomorrow():
    return (dt.datetime.now(dt.UTC) + A_DAY).replace(hour=0, minute=0, second=0, microsecond=0)


def defaults(service):
    return list(CallSpecification.objects.filter(service=service, customer=None).order_by("begins_at"))


def test_limits_are_changed_at_once_in_one_step(add, service):
    page = add()

    old, new = defaults(service)
    assert (new.rpm, new.tpm, new.ends_at, old.ends_at) == (90, 5000, None, new.begins_at)
    assert "SenseChat-5 for everybody: 90 RPM, 5,000 TPM from now on. 60 RPM, 128,000 TPM ends at" in page


def test_the_page_names_every_other_that_ends_goes_on_or_does_not_come(add, service, acme):
    day = tomorrow()
    add(customer=acme, rpm=60)
    add(customer=acme, rpm=70, begins=day + A_DAY)

    page = add(customer=acme, begins=day, ends=day + 5 * A_DAY)

    assert f"SenseChat-5 for acme: 90 RPM, 5,000 TPM from {day:%Y-%m-%d} 00:00 UTC until" in page
    assert f"60 RPM, 5,000 TPM ends at {day:%Y-%m-%d} 00:00 UTC." in page
    assert f"70 RPM, 5,000 TPM from {day + A_DAY:%Y-%m-%d} 00:00 UTC on is cancelled." in page
    assert f"70 RPM, 5,000 TPM resumes from {day + 5 * A_DAY:%Y-%m-%d} 00:00 UTC." in page


def test_limits_without_an_end_say_that_they_give_way_to_the_next(add, acme):
    add(customer=acme, rpm=70, begins=tomorrow())

    page = add(customer=acme)

    assert "Then the next one follows that is scheduled already." in page


def test_limits_that_replace_scheduled_ones_from_the_same_instant_say_so(add, acme):
    add(customer=acme, rpm=70, begins=tomorrow())

    page = add(customer=acme, begins=tomorrow())

    assert f"70 RPM, 5,000 TPM from {tomorrow():%Y-%m-%d} 00:00 UTC on is cancelled." in page
    assert CallSpecification.objects.get(customer=acme).rpm == 90


REFUSED = {
    "a beginning in the past": ({"begins": tomorrow() - 2 * A_DAY}, "What has been stays as it was"),
    "an end in the past": ({"ends": tomorrow() - 2 * A_DAY}, "It ends in the future"),
    "an end before it begins": ({"begins": tomorrow(), "ends": tomorrow()}, "must end after it begins"),
    "an end too far away": ({"ends": tomorrow().replace(year=9500)}, "1970 to 8999"),
    "no reason": ({"reason": ""}, "Give a reason"),
    "no limit": ({"rpm": 0}, "greater than or equal to 1"),
    "no service": ({"service": ""}, "This field is required"),
}


@pytest.mark.parametrize(("fields", "words"), REFUSED.values(), ids=REFUSED)
def test_the_form_says_what_is_wrong_and_nothing_changes(fields, words, add, service):
    page = add(**fields)

    assert words in page
    assert len(defaults(service)) == 1


def test_the_form_begins_empty_and_at_once(operator_client):
    form = operator_client.get(reverse(ADD)).context["adminform"].form

    assert form["begins_at"].value() is None
    assert "initial-begins_at" not in str(form["begins_at"])


def test_a_button_leads_to_new_limits_filled_in_with_those_there_are(add, operator_client, acme, service):
    add(customer=acme)
    own = CallSpecification.objects.get(customer=acme)

    answer = operator_client.get(
        reverse("admin:pricing_callspecification_change_these", args=[own.pk]), follow=True
    )

    form = answer.context["adminform"].form
    names = ("service", "customer", "rpm", "tpm", "begins_at")
    assert [str(form[name].value() or "") for name in names] == [
        str(service.pk), str(acme.pk), "90", "5000", "",
    ]  # fmt: skip


def test_a_customers_page_leads_to_limits_of_its_own(operator_client, acme):
    page = operator_client.get(reverse("admin:accounts_customer_change", args=[acme.pk]))
    url = reverse("admin:accounts_customer_give_own_limits", args=[acme.pk])

    assert url in page.content.decode()
    form = operator_client.get(url, follow=True).context["adminform"].form
    assert form["customer"].value() == str(acme.pk)


def test_what_is_in_force_ends_at_once(add, operator_client, acme):
    add(customer=acme)
    own = CallSpecification.objects.get(customer=acme)

    operator_client.post(reverse(CHANGE, args=[own.pk]), {"ends_at_once": "on", "reason": "Back to default."})

    ended = CallSpecification.objects.get(pk=own.pk, ends_at__isnull=False)
    assert ended.ends_at
    assert own.begins_at < ended.ends_at <= dt.datetime.now(dt.UTC)


def test_a_default_that_ends_with_nothing_after_it_is_warned_of(operator_client, service):
    (default,) = defaults(service)
    sent = split("ends_at", tomorrow()) | {"reason": "It is withdrawn."}

    page = said(operator_client.post(reverse(CHANGE, args=[default.pk]), sent, follow=True))

    assert f"From {tomorrow():%Y-%m-%d} 00:00 UTC on SenseChat-5 has no default limits" in page


@pytest.mark.parametrize(
    ("begins", "words"),
    [
        (tomorrow() - 2 * A_DAY, "it begins in the future"),
        (tomorrow() + 3 * A_DAY, "Another call specification"),
    ],
    ids=["into the past", "over others"],
)
def test_scheduled_limits_are_not_moved(begins, words, add, operator_client, acme, service):
    add(customer=acme, begins=tomorrow(), ends=tomorrow() + A_DAY)
    add(customer=acme, begins=tomorrow() + 2 * A_DAY)
    scheduled = CallSpecification.objects.get(customer=acme, begins_at=tomorrow())
    sent = {"service": service.pk, "customer": acme.pk, "rpm": 90, "tpm": "", "reason": "Otherwise."}
    sent |= split("begins_at", begins) | split("ends_at", None)

    page = said(operator_client.post(reverse(CHANGE, args=[scheduled.pk]), sent, follow=True))

    assert words in page
    assert CallSpecification.objects.filter(customer=acme, begins_at=tomorrow()).exists()


def test_scheduled_limits_are_taken_back_for_a_reason(add, operator_client, service):
    add(begins=tomorrow())
    url = reverse(TAKE_BACK, args=[defaults(service)[1].pk])

    asked = said(operator_client.get(url))
    refused = said(operator_client.post(url, {"reason": ""}))
    page = said(operator_client.post(url, {"reason": "Not after all."}, follow=True))

    assert "90 RPM, 5,000 TPM" in asked
    assert "Give a reason" in refused
    assert f"90 RPM, 5,000 TPM from {tomorrow():%Y-%m-%d} 00:00 UTC on is cancelled." in page
    assert "60 RPM, 128,000 TPM continues without an end." in page
    assert [one.ends_at for one in defaults(service)] == [None]
    assert AuditEntry.objects.latest("pk").reason == "Not after all."


def test_what_has_begun_is_not_taken_back(operator_client, service):
    (default,) = defaults(service)
    url = reverse(TAKE_BACK, args=[default.pk])

    assert url not in operator_client.get(reverse(CHANGE, args=[default.pk])).content.decode()
    assert "It has begun: only its end can still be moved" in said(operator_client.get(url))
    assert "not scheduled any more" in said(operator_client.post(url, {"reason": "Now."}, follow=True))


def test_the_history_of_limits_says_who_cut_them_and_why(add, operator_client, service):
    add()
    old, new = defaults(service)

    for one, deed in ((old, "changed"), (new, "added")):
        url = reverse("admin:pricing_callspecification_history", args=[one.pk])
        page = said(operator_client.get(url, follow=True))
        assert "They asked." in page
        assert deed in page


def listed(client, **asked):
    result = client.get(reverse(LIST, query=asked)).context["cl"].result_list
    return [(str(one.customer or ""), one.rpm) for one in result]


def test_the_list_finds_a_customers_own_limits_in_their_states(add, operator_client, acme, globex):
    for customer in (globex, acme):
        add(customer=customer, rpm=60)
        add(customer=customer, rpm=70)
        add(customer=customer, rpm=80, begins=tomorrow())

    assert listed(operator_client, q="acme") == [("acme", 60), ("acme", 70), ("acme", 80)]
    assert listed(operator_client, state="in force", **{"for": "one"}) == [("acme", 70), ("globex", 70)]
    assert listed(operator_client, state="scheduled") == [("acme", 80), ("globex", 80)]
    assert listed(operator_client, state="ended", q="Globex") == [("globex", 60)]
    services = Service.objects.count()
    assert len(listed(operator_client, **{"for": "everybody"})) == services


def test_of_each_service_the_list_shows_the_default_first(add, operator_client, acme, service):
    add(customer=acme)

    assert listed(operator_client, service__id__exact=service.pk) == [("", 60), ("acme", 90)]
