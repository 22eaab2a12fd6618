"""What nobody looks at rings by itself: late closing, parked hours, late usage, books that do not verify."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from invoices.books.results import store_verification
from invoices.books.verify import verify_books
from invoices.closing.close import close_due_hours
from invoices.closing.parking import parked_hours, release
from invoices.models import DisputeState, HourlyBill, QuotaOverrun
from invoices.monitoring.alarms import state_of_closing
from invoices.payments.review import review_callback
from pricing.models import Service
from tests.builders import THE_HOUR, at, close, raw_record, record, report
from tests.invoices.books.builders import alter, keep_books
from tests.invoices.browsing import text
from tests.invoices.einvoices.builders import issued, requested, with_tax_data
from tests.invoices.payments.builders import called_back, disputed, ordered
from tests.querying import statements
from usage.models import RefusalReason
from usage.refused.counters import RefusedRequest, count_refused

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)
OVERRUNS = "invoices_quotaoverrun_changelist"


def alarm(name, *, now):
    """How one alarm stands: its level, and what it says."""
    (found,) = [one for one in state_of_closing(now=now).alarms if one.name == name]
    return found.level, found.text


def levels(*, now):
    """How all alarms stand."""
    return {one.name: str(one.level) for one in state_of_closing(now=now).alarms}


WATCHED = [
    *("unclosed", "open_hour", "parked", "late", "refused", "quarantine", "above_quota"),
    *("payment_mismatch", "dispute", "einvoice", "verification"),
]
ALL_WELL = dict.fromkeys(WATCHED, "ok") | {"verification": "unknown"}


def test_before_the_first_record_all_is_well(now):
    assert levels(now=now) == ALL_WELL


def test_books_that_are_closed_on_time_ring_nothing(acme):
    keep_books()

    assert levels(now=at(10, hour=2)) == ALL_WELL


# --- Closing ---------------------------------------------------------------------------------------


def test_an_hour_that_is_not_closed_long_after_its_end_rings(acme):
    record(report())

    on_time, overdue = (alarm("unclosed", now=at(minute)) for minute in (90, 91))

    assert on_time == (
        "ok",
        f"The hour {THE_HOUR:%Y-%m-%d %H:%M} UTC ended 30 min ago and is about to close.",
    )
    assert overdue == ("alarm", f"The hour {THE_HOUR:%Y-%m-%d %H:%M} UTC ended 31 min ago and is not closed.")


def test_the_age_of_the_oldest_unclosed_hour_counts_from_its_end(acme):
    record(report())

    assert state_of_closing(now=at(60, hour=3)).unclosed_for == dt.timedelta(hours=3)
    assert state_of_closing(now=at(59)).unclosed_for == dt.timedelta(0)


def test_how_late_a_closing_may_be_is_a_setting(acme, settings):
    settings.ALARM_UNCLOSED_AFTER = dt.timedelta(hours=4)
    record(report())

    assert alarm("unclosed", now=at(60, hour=4))[0] == "ok"


# --- Parked hours ----------------------------------------------------------------------------------


def test_a_parked_hour_rings_until_it_is_released(acme, settings):
    settings.PARK_ABOVE_AMOUNT = Decimal(1)
    record(report(input_tokens=50_000))
    close()

    waits = alarm("parked", now=at(70))
    release(parked=parked_hours().get(), reason="Looked at.", by="operator", now=at(71))

    text = f"1 customer's hour waits for review, the oldest since {THE_HOUR:%Y-%m-%d %H:%M} UTC."
    assert waits == ("warning", text)
    assert alarm("parked", now=at(72))[0] == "ok"


def test_an_hour_that_was_released_in_vain_rings_again(acme):
    raw_record(input_characters=12)
    close()
    release(parked=parked_hours().get(), reason="Looked at.", by="operator", now=at(71))

    close(hour=1)

    assert alarm("parked", now=at(130))[0] == "warning"


# --- Late usage ------------------------------------------------------------------------------------


def late_share():
    """Of the last closed hours."""
    return state_of_closing(now=at(70)).late_share


def test_the_late_share_is_of_records_in_lines(acme):
    record(*(report(f"call-{n}") for n in range(15)))
    close()
    record(report("late"), now=at(70))
    close(hour=1)

    assert late_share() == Decimal("0.0625")
    assert alarm("late", now=at(10, hour=2)) == (
        "warning",
        "6.2 % of the usage in the last 24 closed hours came late.",
    )


def test_a_late_share_up_to_the_threshold_does_not_ring(acme):
    record(*(report(f"call-{n}") for n in range(19)))
    close()
    record(report("late"), now=at(70))
    close(hour=1)

    assert (late_share(), alarm("late", now=at(10, hour=2))[0]) == (Decimal("0.05"), "ok")


def test_late_usage_of_more_than_24_hours_ago_is_forgotten(acme):
    record(report())
    close()
    record(report("late"), now=at(70))
    close(hour=1)

    close_due_hours(now=at(5, hour=25))
    remembered = late_share()
    close_due_hours(now=at(5, hour=26))

    assert remembered == 1
    assert late_share() is None


def test_a_closed_hour_is_counted_once(acme):
    keep_books()
    late_share()

    with statements() as read:
        late_share()

    assert len(read) == 1


# --- Refused usage ---------------------------------------------------------------------------------


def refuse(records, *, minute, key=None, reason=RefusalReason.UNKNOWN_SERVICE):
    """Count so many refused records at a minute of THE_HOUR."""
    count_refused(RefusedRequest(key, "/api/v1/usage", at(minute), {(reason, ""): records}))


def test_usage_that_is_refused_of_one_key_rings_in_its_hour_and_the_next():
    key, _ = issue_service_key(name="gateway")
    refuse(3, minute=10, key=key)
    refuse(3, minute=20, key=key, reason=RefusalReason.TOO_OLD)

    told = f"6 usage records were refused since {at(0):%H:%M} UTC, 6 of them sent with one key."
    assert alarm("refused", now=at(119)) == ("warning", told)
    assert alarm("refused", now=at(120)) == ("ok", f"No usage was refused since {at(60):%H:%M} UTC.")


def test_a_few_refused_records_of_each_key_do_not_ring():
    for name in ("gateway-1", "gateway-2"):
        refuse(5, minute=10, key=issue_service_key(name=name)[0])
    refuse(4, minute=10)

    told = f"14 usage records were refused since {at(0):%H:%M} UTC, 5 of them sent with one key."
    assert alarm("refused", now=at(70)) == ("ok", told)


def test_usage_that_is_sent_without_a_valid_key_rings_as_well(settings):
    settings.ALARM_REFUSED_RECORDS = 0
    refuse(1, minute=10, reason=RefusalReason.INVALID_KEY)

    told = f"1 usage record was refused since {at(0):%H:%M} UTC, 1 of them sent without a valid key."
    assert alarm("refused", now=at(70)) == ("warning", told)


# --- Usage above the TPM that was bought -------------------------------------------------------------


def overrun(customer, *minutes, tokens=12_000):
    """State that the customer used so many tokens in these minutes of THE_HOUR, having bought 10,000 TPM."""
    bill, service = HourlyBill.objects.get(customer=customer), Service.objects.get(name="SenseChat-5")
    for minute in minutes:
        QuotaOverrun.objects.create(
            bill=bill, service=service, minute=at(minute), tokens=tokens, bought=10_000
        )


def test_customers_above_the_tpm_that_they_bought_ring_for_a_day(acme, globex):
    record(report(), report("other", customer="globex"))
    close()
    overrun(acme, 10, 11)
    overrun(globex, 12)

    told = "2 customers used more than the TPM bought, in 3 minutes in the last 24 hours, the latest"
    assert alarm("above_quota", now=at(70)) == ("warning", f"{told} {at(12):%Y-%m-%d %H:%M} UTC.")
    assert alarm("above_quota", now=at(12, hour=24))[1].startswith("1 customer used more than the TPM bought")
    none = "No customer used more than the TPM that it bought in the last 24 hours."
    assert alarm("above_quota", now=at(13, hour=24)) == ("ok", none)


def test_staff_are_led_from_the_alarm_to_the_minutes_above_the_quota(acme, operator_client):
    record(report())
    close()
    overrun(acme, 10, tokens=12_345)

    first, found = (operator_client.get(reverse(f"admin:{name}")) for name in ("index", OVERRUNS))

    assert f'href="{reverse(f"admin:{OVERRUNS}")}"' in first.content.decode()
    shown = f"{at(10):%Y-%m-%d %H:%M} acme SenseChat-5 12,345 10,000 2,345"
    assert f"{shown} {HourlyBill.objects.get().number}" in text(found)


# --- Payments --------------------------------------------------------------------------------------


def test_a_payment_of_another_amount_rings_until_staff_have_looked_into_it(acme):
    payment = ordered(acme)
    called_back(payment, amount="90")

    since = f"the first since {at(10):%Y-%m-%d %H:%M} UTC."
    first = "1 call-back of a payment differs from the order and waits for a review"
    assert alarm("payment_mismatch", now=at(20)) == ("warning", f"{first}, {since}")
    review_callback(callback=payment.callbacks.get(), text="Refunded.", by="operator", now=at(30))
    assert alarm("payment_mismatch", now=at(31)) == ("ok", "No payment differs from its order.")


def test_a_payment_that_came_twice_in_another_amount_rings_though_it_is_paid(acme):
    payment = ordered(acme)
    for amount in ("100", "90"):
        called_back(payment, amount=amount)

    assert alarm("payment_mismatch", now=at(20))[0] == "warning"


def test_without_a_provider_payments_are_watched_if_one_differs(acme, settings):
    settings.PAYMENT_PROVIDER = ""
    assert "payment_mismatch" not in levels(now=at(20))

    called_back(ordered(acme), amount="90")
    assert levels(now=at(20))["payment_mismatch"] == "warning"


def test_a_dispute_rings_with_the_day_until_which_it_can_be_answered(acme):
    payment = ordered(acme)
    disputed(payment)

    until = at(10) + 7 * DAY
    words = f"1 dispute of a payment waits for evidence, which is due by {until:%Y-%m-%d %H:%M} UTC."
    levels_until = [alarm("dispute", now=now) for now in (at(20), until - 2 * DAY, until)]
    assert levels_until == [("warning", words), ("alarm", words), ("alarm", words)]
    disputed(payment, DisputeState.UNDER_REVIEW, minute=11)
    assert alarm("dispute", now=at(20)) == ("ok", "No dispute of a payment waits for evidence.")


def test_a_request_for_a_tax_invoice_rings_once_it_waits_for_days(acme):
    made = requested(with_tax_data(acme))

    words = f"1 request for a tax invoice waits since {at(5):%Y-%m-%d %H:%M} UTC."
    waits = [alarm("einvoice", now=at(minute) + 3 * DAY) for minute in (5, 6)]
    assert waits == [("ok", words), ("warning", words)]
    issued(made)
    assert alarm("einvoice", now=at(6) + 3 * DAY) == ("ok", "No request for a tax invoice waits.")


# --- Verification ----------------------------------------------------------------------------------


def verify(*, now, **span):
    """Verify and keep the result."""
    return store_verification(verified=verify_books(**span), now=now)


def test_books_that_were_never_verified_ring_after_36_hours(acme):
    record(report())
    close()

    early, late = (alarm("verification", now=at(65, hour=36) + dt.timedelta(seconds=s)) for s in (0, 1))

    assert (early[0], late) == ("unknown", ("warning", "The books have not been verified yet."))


def test_a_verification_that_is_too_old_rings(acme):
    keep_books()
    verify(now=at(10, hour=2))

    assert alarm("verification", now=at(10, hour=38))[0] == "ok"
    assert alarm("verification", now=at(11, hour=38))[0] == "warning"


def test_a_verification_with_findings_rings(acme):
    keep_books()
    alter("invoices_hourlybill", "customer_name = 'Another'", where=f"hour_id = '{THE_HOUR}'")

    result = verify(now=at(10, hour=2))

    assert alarm("verification", now=at(11, hour=2)) == ("alarm", f"The books of {result} have 1 finding.")


def test_a_failed_verification_rings_until_its_own_hours_are_in_order(acme):
    keep_books()
    alter("invoices_hourlybill", "customer_name = 'Another'", where=f"hour_id = '{THE_HOUR}'")
    verify(now=at(10, hour=2))

    verify(now=at(11, hour=2), from_hour=at(60))
    other_hours = alarm("verification", now=at(12, hour=2))
    alter("invoices_hourlybill", "customer_name = 'Acme Ltd'")
    verify(now=at(13, hour=2))

    assert (other_hours[0], alarm("verification", now=at(14, hour=2))[0]) == ("alarm", "ok")
