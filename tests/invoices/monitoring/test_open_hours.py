"""An open hour far beyond the usual rings while it runs: on pages, by mail and as a metric, once."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.core import mail
from django.db import IntegrityError
from django.urls import reverse

from invoices.models import OpenHourAlarm, RunningHour, RunningRefresh
from invoices.monitoring.alarms import state_of_closing
from invoices.monitoring.open_hours import mail_alarms, watch_open_hours
from invoices.running.refresh import refresh_running_hours
from pricing.rules.measures import Measure
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.invoices.browsing import text
from tests.packages import buy, tokens_product

pytestmark = pytest.mark.django_db(transaction=True)

NOW = at(20)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def oncall(settings, acme):
    """An hour of Acme's may come to 100 RMB; who is on call has an address."""
    settings.PARK_ABOVE_AMOUNT = Decimal(100)
    settings.ALARM_MAIL = ["oncall@sensenova.example"]
    settings.PUBLIC_URL = "https://billing.example.com"


def use(*, tokens=10_000_000, event_id="much", minute=10, **fields):
    """Report a call of so many tokens, 400 RMB by default."""
    record(
        report(event_id, input_tokens=tokens, output_tokens=0, occurred_at=at(minute), **fields),
        now=at(minute),
    )


def watch(now=NOW):
    """Sum up the open hours, and return the alarms that this raises."""
    refresh_running_hours(now=now)
    return watch_open_hours(now=now)


def alarm(now=NOW):
    """How the alarm stands: its level and text."""
    (found,) = [one for one in state_of_closing(now=now).alarms if one.name == "open_hour"]
    return found.level, found.text


def test_one_dear_call_rings_within_the_hour():
    use()

    (raised,) = watch()

    assert (raised.customer.code, raised.hour, raised.amount) == ("acme", THE_HOUR, Decimal(400))
    assert raised.reason == "RMB 400.00 in an hour is more than RMB 100.00."
    told = f"1 customer's open hour is far beyond the usual, the first since {NOW:%Y-%m-%d %H:%M} UTC."
    assert alarm() == ("alarm", told)


def test_usage_within_the_bounds_does_not_ring():
    use(tokens=2_000_000)

    assert watch() == []
    assert alarm() == ("ok", "No open hour is far beyond the usual.")


def test_what_is_dear_at_another_price_does_not_ring_at_the_customers_own(acme):
    price("SenseChat-5", Measure.INPUT_TOKENS, "0.001", begins_at=at(0), customer=acme)
    use()

    assert watch() == []


def test_an_hour_far_above_the_customers_usual_rings(settings):
    settings.PARK_ABOVE_AMOUNT, settings.PARK_UNUSUAL_FROM = Decimal(1_000_000), Decimal(1)
    for hour in range(24):
        record(report(f"usual-{hour}", occurred_at=at(10, hour=hour)), now=at(11, hour=hour))
        close(hour=hour)
    record(report("much", input_tokens=1_000_000, occurred_at=at(10, hour=24)), now=at(11, hour=24))

    (raised,) = watch(now=at(12, hour=24))

    assert "times the usual RMB 0.09 an hour of this customer." in raised.reason


def test_it_rings_once_and_the_amount_is_kept_up_to_date():
    use()
    watch()
    use(event_id="more", minute=21)

    assert watch(now=NOW + 5 * MINUTE) == []
    assert OpenHourAlarm.objects.get().amount == 800


def test_the_database_keeps_one_alarm_of_a_customers_hour(acme):
    use()
    (raised,) = watch()
    raised.pk = None

    with pytest.raises(IntegrityError, match="an_open_hour_of_a_customer_alarms_once"):
        raised.save(force_insert=True)


def test_once_the_hour_is_closed_it_is_parked_and_no_open_hour_rings(settings):
    use()
    watch()

    close()

    assert alarm(now=at(70))[0] == "ok"
    assert state_of_closing(now=at(70)).parked == 1


def test_an_hour_that_ended_and_is_not_closed_is_watched_too():
    use()

    assert len(watch(now=at(62))) == 1


def test_what_was_not_summed_up_yet_rings_after_the_next_time():
    use(tokens=2_000_000)
    refresh_running_hours(now=NOW)
    RunningRefresh.objects.update(took=dt.timedelta(seconds=6))
    use(event_id="more", minute=21)

    assert watch(now=NOW + 2 * MINUTE - dt.timedelta(seconds=1)) == []
    assert len(watch(now=NOW + 2 * MINUTE)) == 1


def test_a_package_that_covers_the_usage_keeps_it_from_ringing(acme):
    buy(acme, tokens_product(tokens=100_000_000), now=at(5))
    use()

    assert watch() == []
    assert RunningHour.objects.get().amount == 0


def test_other_customers_do_not_ring(globex):
    use()
    use(event_id="little", tokens=1000, customer="globex")

    assert [one.customer.code for one in watch()] == ["acme"]


# --- Mail ------------------------------------------------------------------------------------------


def test_it_is_mailed_once(acme):
    use()
    watch()
    watch(now=NOW + 5 * MINUTE)

    (sent,) = mail.outbox
    assert (sent.subject, sent.to) == ("Open hour of acme far beyond the usual", ["oncall@sensenova.example"])
    assert "So far it comes to RMB 400.00." in sent.body
    assert f"https://billing.example.com/admin/accounts/customer/{acme.pk}/change/" in sent.body


def test_without_an_address_nothing_is_mailed(settings):
    settings.ALARM_MAIL = []
    use()

    watch()

    assert mail.outbox == []


def test_mail_that_cannot_be_sent_is_sent_later(settings):
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1", 1,
    )  # fmt: skip
    use()
    watch()
    settings.EMAIL_BACKEND = working

    assert mail_alarms(now=NOW + 5 * MINUTE) == 0
    assert mail_alarms(now=NOW + 10 * MINUTE) == 1


# --- Pages and metrics -----------------------------------------------------------------------------


def test_the_first_page_leads_to_the_list_which_names_customer_and_amount(operator_client):
    use()
    watch()
    listed = reverse("admin:invoices_openhouralarm_changelist")

    assert listed in operator_client.get(reverse("admin:index")).content.decode()
    page = text(operator_client.get(listed))
    assert "acme" in page
    assert "400.00" in page


def test_the_metric_counts_open_hours_beyond_the_usual(client):
    use()
    watch()

    assert "sensenova_billing_open_hours_beyond_usual 1.0" in client.get("/metrics").content.decode()
    assert client.get("/readyz").json()["alarms"]["open_hour"]["level"] == "alarm"


def test_monitoring_names_neither_customer_nor_amount(client):
    use()
    watch()

    for path in ("/metrics", "/readyz"):
        answer = client.get(path).content.decode()
        assert "acme" not in answer
        # The number, not the digits: seconds to the microsecond hold them now and then.
        assert not re.search(r"(?<![\d.])400(?:\.0*)?(?![\d.])", answer)
