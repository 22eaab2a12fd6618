"""What is left of a package is credited: with the closing of the hour, cut off to the fen, and once."""

import datetime as dt
from contextlib import nullcontext
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.api_keys.keys import issue_service_key
from accounts.models import Scope
from invoices.closing.seal import seal_of
from invoices.models import ChargeLine, PackageCredit, PackageRefund, PackageRenewal
from invoices.packages.after_sale.refund import RefundRefused, order_refund, plan_refund
from invoices.packages.after_sale.renewal import switch_renewal
from invoices.packages.after_sale.sweep import sweep_packages
from invoices.packages.status import PackageState, packages_at
from pricing.models import MethodPeriod, QuotaPackage
from tests.browsing import fields_of
from tests.builders import at, close, record, report
from tests.invoices.browsing import text
from tests.packages import UNCOVERED, bill, buy, draw, tokens_product, tpm_product

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "unused_is_refunded")]

DAY = dt.timedelta(days=1)
CUT_OFF = "a_credit_is_the_share_of_the_price_that_is_left_cut_off"
ALICE = "alice@acme.example"
OPERATOR = "operator@sensenova.example"


def refunded(package, *, now=None):
    """The credit of a package whose refund was ordered, at forty past THE_HOUR unless said otherwise."""
    order = order_refund(package=package, by=ALICE, now=now or at(40))
    close_with_usage(hour=int((order.billing_hour - at(0)) / dt.timedelta(hours=1)))
    return PackageCredit.objects.get(package=package)


def close_with_usage(*, hour=0):
    """Close an hour with a call that no package covers: before the first call no hour is closed."""
    instant = at(50, hour=hour)
    record(report(f"uncovered {hour}", service=UNCOVERED, occurred_at=instant), now=instant)
    close(hour=hour)


def used(tokens, minute=35):
    """A call of Acme's that takes so many tokens, and the hour that has to be closed."""
    return report(f"used-{minute}", input_tokens=tokens, output_tokens=0, occurred_at=at(minute))


def state_of(package, instant):
    """What the package is at an instant."""
    return PackageState(packages_at(instant).get(pk=package.pk).state)


# --- Tokens packages -------------------------------------------------------------------------------


@pytest.mark.usefixtures("verified_afterwards")
def test_what_the_hours_draws_leave_is_credited(acme):
    package = buy(acme)
    record(used(250_000))

    credit = refunded(package)

    package.refresh_from_db()
    assert (credit.left, credit.quantity, credit.paid) == (750_000, 1_000_000, 30)
    assert (credit.amount, credit.credited) == (Decimal("22.5"), Decimal("22.50"))
    assert package.ended_at == at(60)
    assert MethodPeriod.objects.get(package=package).ends_at == at(60)
    assert state_of(package, at(60)) == PackageState.REFUNDED


@pytest.mark.parametrize(
    ("tokens", "taken", "amount", "credited"),
    [
        (3, 1, "20.00000000", "20.00"),
        (3, 2, "10.00000000", "10.00"),
        (7, 1, "25.71428571", "25.71"),
        (999, 1, "29.96996996", "29.96"),
        (1_000, 1, "29.97000000", "29.97"),
    ],
)
def test_a_share_is_cut_off_and_never_rounded_up(acme, tokens, taken, amount, credited):
    package = buy(acme, tokens_product(tokens=tokens))
    record(used(taken))

    credit = refunded(package)

    assert (credit.amount, credit.credited) == (Decimal(amount), Decimal(credited))


def test_what_is_shown_is_what_is_credited_where_no_call_comes_between(acme):
    package = buy(acme, tokens_product(tokens=7))
    draw(package, 3, of=bill(acme))
    shown = plan_refund(package=package, now=at(70))

    credit = refunded(package, now=at(70))

    assert (shown.left, shown.amount, shown.credited) == (credit.left, credit.amount, credit.credited)


def test_a_package_that_the_hour_uses_up_leaves_nothing_to_credit(acme):
    package = buy(acme, tokens_product(tokens=1_000))
    order_refund(package=package, by=ALICE, now=at(40))
    record(used(1_500, minute=50))
    close()

    credit = PackageCredit.objects.get()

    assert credit.left == credit.amount == 0


def test_calls_after_the_hour_and_late_ones_are_charged(acme):
    package = buy(acme)
    refunded(package)
    late = report("late", occurred_at=at(45))
    record(late, report("after", occurred_at=at(65)), now=at(70))
    close(hour=1)

    lines = ChargeLine.objects.filter(bill__hour=at(60))

    assert lines.count() == 4
    assert not lines.exclude(package=None).exists()


def test_a_package_that_has_not_begun_is_refunded_whole_and_never_begins(acme):
    first = buy(acme, tpm_product(), units=1, periods=2)
    package = buy(acme, tokens_product())
    assert package.begins_at == first.expires_at

    credit = refunded(package)

    period = MethodPeriod.objects.get(package=package)
    assert (credit.left, credit.credited) == (1_000_000, 30)
    assert period.begins_at == period.ends_at == package.begins_at
    assert state_of(package, at(60)) == PackageState.REFUNDED
    assert not MethodPeriod.objects.in_force(at=package.begins_at).exists()


def test_after_a_package_that_never_began_the_other_method_can_be_bought(acme):
    terms, other = tokens_product(), tpm_product()
    first = buy(acme, terms)
    waiting = buy(acme, other, units=1, periods=1)
    refunded(waiting)
    refund = order_refund(package=first, by=ALICE, now=at(70))

    again = buy(acme, other, units=1, periods=1, now=at(71))

    assert again.begins_at == refund.ends_at == at(120)


# --- TPM packages ----------------------------------------------------------------------------------


def test_days_that_have_not_begun_are_refunded_and_the_package_ends_with_the_present_one(acme):
    package = buy(acme, tpm_product(), units=3, periods=7, now=at(30) - 2 * DAY)

    credit = refunded(package)

    begun = package.begins_at + 2 * DAY
    package.refresh_from_db()
    assert (credit.left, credit.quantity, credit.credited) == (15, 21, 1500)
    assert package.ended_at == MethodPeriod.objects.get(package=package).ends_at == begun
    assert state_of(package, begun - dt.timedelta(minutes=1)) == PackageState.IN_FORCE
    assert state_of(package, begun) == PackageState.REFUNDED


def test_in_the_last_hour_of_a_day_the_next_one_has_not_begun(acme):
    package = buy(acme, tpm_product(), units=2, periods=3, now=at(30, hour=-24))

    order = order_refund(package=package, by=ALICE, now=at(40))

    assert (order.ends_at, order.left) == (at(60), 4)


def test_a_tpm_package_that_has_not_begun_is_refunded_whole(acme):
    package = buy(acme, tpm_product(), units=3, periods=7)

    credit = refunded(package)

    assert (credit.left, credit.credited) == (21, 2100)
    assert not MethodPeriod.objects.in_force(at=at(60)).exists()


def test_a_tpm_package_in_its_last_day_is_not_refunded(acme):
    package = buy(acme, tpm_product(), units=1, periods=1, now=at(30) - DAY / 2)

    with pytest.raises(RefundRefused, match="The last day of this package has begun"):
        order_refund(package=package, by=ALICE, now=at(40))


# --- When nothing is refunded ----------------------------------------------------------------------


def test_by_default_nothing_is_refunded(acme, settings):
    settings.PACKAGE_REFUNDS = "none"

    with pytest.raises(RefundRefused, match="Packages are not refunded"):
        order_refund(package=buy(acme), by=ALICE, now=at(40))

    assert not PackageRefund.objects.exists()


@pytest.mark.parametrize(("days", "is_allowed"), [(6.99, True), (7, False)])
def test_a_package_is_refunded_within_the_days_of_the_setting(acme, days, is_allowed):
    package = buy(acme, now=at(30) - days * DAY)
    too_late = pytest.raises(RefundRefused, match="within 7 days of its purchase")

    with nullcontext() if is_allowed else too_late:
        order_refund(package=package, by=ALICE, now=at(30))

    assert PackageRefund.objects.exists() == is_allowed


def test_of_a_package_that_is_used_up_or_has_expired_nothing_is_left(acme):
    terms = tokens_product(validity=1)
    used_up, expired = (buy(acme, terms, now=now) for now in (at(30), at(30) - 2 * DAY))
    draw(used_up, 1_000_000, of=bill(acme))

    for package in (used_up, expired):
        with pytest.raises(RefundRefused, match="nothing is left of it"):
            order_refund(package=package, by=ALICE, now=at(70))


def test_the_same_order_twice_is_one(acme):
    package = buy(acme)

    orders = [order_refund(package=package, by=by, now=at(40)) for by in (ALICE, OPERATOR)]

    assert orders[0] == orders[1] == PackageRefund.objects.get(ordered_by=ALICE)


def test_a_refunded_package_is_not_renewed_and_has_no_notices(acme):
    package = buy(acme)
    switch_renewal(package=package, is_on=True, by=ALICE, now=at(31))
    refunded(package)

    swept = sweep_packages(now=package.expires_at - dt.timedelta(hours=1))

    assert not PackageRenewal.objects.get().is_on
    assert (swept.renewed, swept.notices) == (0, 0)


# --- The document ----------------------------------------------------------------------------------


def test_a_credit_is_numbered_and_copies_names(acme):
    packages = [buy(acme, terms) for terms in (tokens_product(), tokens_product("More"))]
    for package in packages:
        order_refund(package=package, by=ALICE, now=at(40))

    close_with_usage()

    credits = PackageCredit.objects.order_by("package_id")
    assert [credit.number for credit in credits] == [f"C{at(0):%Y%m%d}-acme-{n}" for n in (1, 2)]
    assert (credits[0].customer_name, credits[1].product_name) == ("Acme Ltd", "More")
    assert credits[0].ordered_by == ALICE


def test_each_refund_is_carried_out_with_its_own_hour_and_numbers_go_on(acme, globex):
    terms = tokens_product()
    first, second, other = (buy(customer, terms) for customer in (acme, acme, globex))
    order_refund(package=first, by=ALICE, now=at(40))
    for package in (second, other):
        order_refund(package=package, by=ALICE, now=at(70))
    close_with_usage()
    at_first = [credit.package for credit in PackageCredit.objects.all()]
    close_with_usage(hour=1)

    numbers = [credit.number.split("-", 1)[1] for credit in PackageCredit.objects.order_by("package_id")]
    assert at_first == [first]
    assert numbers == ["acme-1", "acme-2", "globex-1"]


def test_of_several_draws_the_last_says_what_is_left(acme):
    package = buy(acme, tokens_product(tokens=100))
    for hour in (0, 1):
        draw(package, 20, of=bill(acme, hour=hour))

    credit = refunded(package, now=at(130))

    assert (credit.left, credit.credited) == (60, 18)


def test_a_credit_is_part_of_the_seal_of_its_hour(acme):
    package = buy(acme)
    record(report("uncovered", service="SenseChat-Turbo"))
    close()
    without = seal_of(hour=at(0), previous=None)
    PackageCredit.objects.create(
        package=package,
        sealed_in_id=at(0),
        number="C-1",
        quantity=2,
        paid=1,
        left=1,
        amount=Decimal("0.5"),
        credited=Decimal("0.5"),
        ends_at=at(60),
        issued_at=at(65),
    )

    assert seal_of(hour=at(0), previous=None) != without


@pytest.mark.parametrize("model", [PackageRefund, PackageCredit])
def test_orders_and_credits_are_never_changed(acme, model):
    refunded(buy(acme))

    for change in (lambda: model.objects.update(ordered_by="x"), lambda: model.objects.all().delete()):
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            change()


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"amount": Decimal("10.00000001")}, CUT_OFF),
        (
            {"amount": Decimal("9.99"), "credited": Decimal("9.99")},
            CUT_OFF,
        ),
        ({"credited": Decimal("10.01")}, "a_credit_is_cut_off_to_the_fen"),
        ({"left": Decimal(4)}, "a_credit_is_for_no_more_than_was_bought"),
    ],
)
def test_the_database_refuses_a_credit_of_another_amount(acme, fields, name):
    package = buy(acme)
    bill(acme)
    credit = {
        "quantity": 3,
        "paid": 30,
        "left": Decimal(1),
        "amount": Decimal(10),
        "credited": Decimal(10),
        "ends_at": at(60),
        "issued_at": at(65),
    }

    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        PackageCredit.objects.create(package=package, sealed_in_id=at(0), number="C-1", **(credit | fields))

    assert not QuotaPackage.objects.exclude(ended_at=None).exists()


# --- On pages and in the API -----------------------------------------------------------------------


def order_on_page(client, package):
    """Press the button of the page that shows the refund."""
    path = f"/packages/{package.number}/refund"
    fields = fields_of(client.get(path))
    return client.post(path, {"ends_at": fields["ends_at"][-1]}, follow=True)


def test_an_owner_sees_what_would_be_credited_and_then_the_credit(alice_client, acme, clock):
    package = buy(acme, tokens_product(tokens=7))
    draw(package, 3, of=bill(acme))
    clock(at(70))

    shown = text(alice_client.get(f"/packages/{package.number}/refund"))
    ordered = text(order_on_page(alice_client, package))
    close(hour=1)
    credited = text(alice_client.get(f"/packages/{package.number}"))

    assert "4 of 7 tokens" in shown
    assert "End the package and credit at most RMB 17.14" in shown
    assert "Ordered by alice@acme.example" in ordered
    assert f"C{at(60):%Y%m%d}-acme-1 Left 4 of 7 tokens Credited RMB 17.14" in credited
    assert "17.14285714, cut off to the fen" in credited


def test_nothing_is_ordered_before_the_button_is_pressed(alice_client, acme):
    package = buy(acme)

    alice_client.get(f"/packages/{package.number}/refund")

    assert not PackageRefund.objects.exists()


def test_a_refund_that_would_end_at_another_hour_is_shown_again(alice_client, acme, clock):
    package = buy(acme)
    path = f"/packages/{package.number}/refund"
    ends_at = fields_of(alice_client.get(path))["ends_at"][-1]
    clock(at(61))

    answer = alice_client.post(path, {"ends_at": ends_at})

    assert answer.status_code == 409
    assert "would end at another hour by now" in text(answer)
    assert not PackageRefund.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"ends_at": "soon"}])
def test_a_page_that_was_sent_incomplete_orders_nothing(alice_client, acme, sent):
    answer = alice_client.post(f"/packages/{buy(acme).number}/refund", sent)

    assert answer.status_code == 400
    assert "Nothing was refunded. The page was sent incomplete." in text(answer)
    assert not PackageRefund.objects.exists()


def test_where_nothing_is_refunded_the_page_of_the_package_does_not_offer_it(alice_client, acme, settings):
    settings.PACKAGE_REFUNDS = "none"
    package = buy(acme)

    page = alice_client.get(f"/packages/{package.number}")
    asked = alice_client.get(f"/packages/{package.number}/refund")

    assert f"/packages/{package.number}/refund" not in page.content.decode()
    assert "Packages are not refunded." in text(asked)


def test_a_viewer_and_another_customer_refund_nothing(alice_views, alice_client, bob_client, acme):
    package = buy(acme)
    path = f"/packages/{package.number}/refund"

    both = (alice_client, bob_client)
    answers = [one.status_code for client in both for one in (client.get(path), client.post(path))]

    assert answers == [403, 403, 404, 404]
    assert "credited" not in text(alice_client.get(f"/packages/{package.number}"))


def test_an_admin_refunds_a_package(operator_client, acme):
    package = buy(acme)
    path = f"/admin/pricing/quotapackage/{package.pk}"

    page = operator_client.get(f"{path}/refund/")
    ends_at = fields_of(page)["ends_at"][-1]
    after = text(operator_client.post(f"{path}/refund/", {"ends_at": ends_at}, follow=True))
    close_with_usage()

    assert "End the package and credit 30.00 RMB" in text(page)
    assert f"ordered by {OPERATOR}" in after
    assert f"C{at(0):%Y%m%d}-acme-1 : 30.00 RMB for 1,000,000 of 1,000,000" in text(
        operator_client.get(f"{path}/change/")
    )


def test_an_admins_page_that_was_sent_incomplete_orders_nothing(operator_client, acme):
    answer = operator_client.post(f"/admin/pricing/quotapackage/{buy(acme).pk}/refund/", {})

    assert "Nothing was refunded. The page was sent incomplete." in text(answer)
    assert not PackageRefund.objects.exists()


def test_programs_read_the_refund(acme, clock):
    package = buy(acme, tokens_product(tokens=7))
    record(used(1))
    refunded(package)
    clock(at(70))
    key = issue_service_key(name="reader", scopes=[Scope.BILLING_READ])[1]

    answer = Client().get("/api/v1/packages?customer=acme", headers={"Authorization": f"Bearer {key}"})

    [found] = answer.json()["packages"]
    refund = found["refund"]
    assert (found["state"], found["renews"], refund["left"]) == ("refunded", False, "6")
    assert (refund["amount"], refund["credited"]) == ("25.71428571", "25.71")
    assert refund["credit"] == f"C{at(0):%Y%m%d}-acme-1"
