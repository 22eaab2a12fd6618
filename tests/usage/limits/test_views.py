"""A customer sees its limits, what counts now and what was refused; staff see who is refused most."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.models import Customer
from pricing.models import CallSpecification
from tests.invoices.browsing import staff_client, text
from tests.usage.limits.builders import NAME, NOBODY_LISTENS, OTHER, ask, limit, service, unlimited_service
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import CallLimits, CountedCalls

pytestmark = pytest.mark.django_db

EACH_STORE = pytest.mark.parametrize("store", ["postgresql", "redis"], indirect=True)


@pytest.fixture
def store(request, settings):
    """Keep the windows in this store."""
    settings.REDIS_URL = request.getfixturevalue("redis_url") if request.param == "redis" else ""


def page(client):
    return client.get(reverse("customer_limits", args=["acme"]))


# --- A customer's page -----------------------------------------------------------------------------


@EACH_STORE
def test_a_customer_sees_what_it_used_and_what_is_left(store, alice_client, acme):
    limit(acme, 60, 100_000)
    ask(acme, 1000, 2500, limits=CallLimits(60, 100_000))

    shown = text(page(alice_client))

    assert f"{NAME} your own 60 2 used, 58 left 100,000 3,500 used, 96,500 left none" in shown
    assert "No call was refused in the last 24 hours." in shown


def test_a_tpm_that_does_not_count_cached_input_says_so(alice_client, acme):
    limit(acme, 60, 100_000, excludes_cached_input=True)

    assert "100,000 without cached input 0 used" in text(page(alice_client))


@EACH_STORE
def test_refusals_are_told_in_words(store, alice_client, acme):
    limit(acme, 1, 10)
    ask(acme, 9, 1, 1, 11)
    ask(acme, 1, 1, name=OTHER)

    shown = text(page(alice_client))

    assert "1 used, none left 10 9 used, 1 left 2 beyond the RPM 1 larger than the TPM" in shown
    assert "4 calls were refused in the last 24 hours." in shown


def test_one_refusal_is_told_as_one(alice_client, acme):
    ask(acme, 9, 1)

    assert "1 call was refused in the last 24 hours." in text(page(alice_client))


def test_bars_say_in_words_what_they_show(alice_client, acme):
    limit(acme, 60)
    call_windows().count([CountedCalls(acme.pk, service().pk, 70, 5000)])

    answer = page(alice_client)

    bar = '<progress class="used full" max="60" value="70" aria-label="70 of 60 calls"></progress>'
    assert bar in answer.content.decode()
    assert "70 used, none left No limit 5,000 used, not limited" in text(answer)


def test_services_stand_under_their_groups_in_the_catalogues_order(alice_client):
    shown = text(page(alice_client))

    assert shown.index("General") < shown.index(OTHER) < shown.index("SenseNova Role-play Model")


def test_a_service_without_a_call_specification_admits_nothing_and_the_page_says_so(alice_client):
    unlimited_service()

    shown = text(page(alice_client))

    assert "nova-2 No call specification is in force, so no call is admitted. none" in shown


def test_who_is_suspended_is_told_so(alice_client, acme):
    Customer.objects.filter(pk=acme.pk).update(is_suspended=True)

    assert "SenseNova has suspended this customer: no call is admitted" in text(page(alice_client))


def test_where_nothing_is_on_sale_the_page_says_what_will_appear(alice_client, monkeypatch):
    long_before = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)
    monkeypatch.setattr("usage.limits.views.clock.now", lambda: long_before)

    assert "Nothing is on sale to Acme Ltd now." in text(page(alice_client))


def test_while_the_store_is_away_the_limits_are_shown_all_the_same(alice_client, acme, settings):
    limit(acme, 60, 100_000)
    settings.REDIS_URL = NOBODY_LISTENS

    answer = page(alice_client)

    assert answer.status_code == 200
    assert "The store that counts calls does not answer" in text(answer)
    assert f"{NAME} your own 60 not known 100,000 not known not known" in text(answer)


def test_the_navigation_leads_to_the_page_and_says_that_it_is_the_one(alice_client):
    link = f'<a href="{reverse("customer_limits", args=["acme"])}" aria-current="page">Limits</a>'

    assert link in page(alice_client).content.decode()


# --- The admin's page ------------------------------------------------------------------------------


def refused_page(client):
    return client.get(reverse("refused_calls"))


@EACH_STORE
def test_staff_see_who_is_refused_most_first(store, operator_client, acme, globex):
    ask(acme, 9, 1)
    ask(globex, 9, 1, 1)

    shown = text(refused_page(operator_client))

    assert "3 calls were refused in this hour and the 24 before it." in shown
    assert 0 < shown.index(f"globex {NAME} beyond the RPM 2") < shown.index(f"acme {NAME} beyond the RPM 1")


def test_the_page_leads_to_the_customer_its_limits_and_its_own_call_specifications(operator_client, acme):
    own = limit(acme, 7)
    ask(acme, 9, 1)

    shown = refused_page(operator_client).content.decode()

    for way in (
        reverse("admin:accounts_customer_change", args=[acme.pk]),
        reverse("admin:pricing_callspecification_change", args=[own.pk]),
        reverse("admin:pricing_callspecification_changelist", query={"customer__id__exact": acme.pk}),
    ):
        assert f'href="{way}"' in shown
        assert operator_client.get(way).status_code == 200
    assert ">7 RPM, no TPM</a>" in shown


def test_default_limits_are_called_so(operator_client, acme):
    default = CallSpecification.objects.get(service=service(), customer=None)
    ask(acme, 9, 1)

    assert f"{default.rpm} RPM, {default.tpm:,} TPM (default)" in text(refused_page(operator_client))


def test_when_there_are_too_many_rows_the_page_says_so(operator_client, acme, globex, monkeypatch):
    monkeypatch.setattr("usage.limits.admin.MOST_SHOWN", 1)
    ask(acme, 9, 1)
    ask(globex, 9, 1, 1)

    shown = text(refused_page(operator_client))

    assert "3 calls were refused in this hour and the 24 before it. The row with most of them, of 2:" in shown
    assert (f"globex {NAME}" in shown, f"acme {NAME}" in shown) == (True, False)


def test_where_nothing_was_refused_the_page_says_what_will_appear(operator_client):
    assert "No call was refused in this hour and the 24 before it." in text(refused_page(operator_client))


def test_while_the_store_is_away_the_page_says_so(operator_client, settings):
    settings.REDIS_URL = NOBODY_LISTENS

    answer = refused_page(operator_client)

    assert (answer.status_code, "The store of the call limits does not answer" in text(answer)) == (200, True)


def test_only_who_may_look_at_refused_calls_sees_them():
    assert refused_page(staff_client("view_refusedcalls")).status_code == 200


def test_who_may_only_look_at_something_else_does_not_see_them():
    assert refused_page(staff_client("view_usagerecord")).status_code == 403


def test_the_admins_first_page_tells_how_many_were_refused_and_leads_there(operator_client, acme):
    none = text(operator_client.get(reverse("admin:index")))
    ask(acme, 9, 1, 1)
    two = operator_client.get(reverse("admin:index"))

    assert "No call was refused in the last 24 hours." in none
    assert "2 calls were refused in the last 24 hours." in text(two)
    assert two.content.decode().count(f'href="{reverse("refused_calls")}"') == 2  # the card and the sidebar


def test_the_admins_first_page_rings_while_the_store_is_away(operator_client, settings):
    settings.REDIS_URL = NOBODY_LISTENS

    answer = operator_client.get(reverse("admin:index"))

    assert "Alarm The store of the call limits is unavailable: no call is admitted." in text(answer)
