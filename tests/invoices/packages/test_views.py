"""A customer's people see their packages; owners buy them."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.models import PackagePurchase, QuotaOverrun
from invoices.packages import views
from pricing.models import MethodPeriod, PackageTerms, Service
from sensenova_billing.lib.local_time import hour_text
from tests.browsing import fields_of
from tests.builders import at
from tests.invoices.browsing import csv_rows, text
from tests.packages import bill, buy, draw, tokens_product, tpm_product
from tests.querying import get_within

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

SHANGHAI = dt.timezone(dt.timedelta(hours=8))
PACKAGES = "/customers/acme/packages"


def local(instant):
    """As Acme's pages write it."""
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def page_of(terms, code="acme"):
    return reverse("buy_package", args=[code, terms.pk])


def order(client, terms, query=""):
    """The fields that the page of this purchase sends when its button is pressed."""
    fields = fields_of(client.get(page_of(terms) + query))
    return {name: values[-1] for name, values in fields.items() if name != "version"}


# --- The list --------------------------------------------------------------------------------------


def test_an_owner_without_packages_is_led_to_the_products(alice_client):
    page = alice_client.get(PACKAGES)

    assert "every service is billed as Tokens Postpaid" in text(page)
    assert reverse("choose_product", args=["acme"]) in page.content.decode()


def test_a_viewer_sees_packages_and_no_way_to_buy(alice_views, alice_client, acme):
    package = buy(acme)

    page = alice_client.get(PACKAGES)

    assert package.number in text(page)
    assert "packages/buy" not in page.content.decode()


def test_a_package_is_shown_with_what_is_used_and_when_it_expires(alice_client, acme):
    package = buy(acme)
    draw(package, 250_000, of=bill(acme))

    page = alice_client.get(PACKAGES)

    assert "250,000 used, 750,000 left" in text(page)
    assert '<progress class="used" max="1000000" value="250000"' in page.content.decode()
    assert f"in force {local(at(0))} until {local(package.expires_at)}" in text(page)


def test_the_methods_are_shown_with_what_follows(alice_client, acme):
    first = buy(acme)
    buy(acme, tpm_product(), units=2, periods=3)

    said = text(alice_client.get(PACKAGES))

    ends = local(first.expires_at)
    assert f"SenseChat-5 Tokens Quota Package Prepaid {ends} TPM Quota Package Prepaid until" in said


def test_a_list_of_many_takes_as_many_queries_as_one(alice_client, acme):
    terms = tokens_product()
    for _ in range(10):
        buy(acme, terms)

    page = get_within(alice_client, PACKAGES, queries=9)

    assert text(page).count("1,000,000 left") == 10


def test_ended_packages_come_page_by_page(alice_client, acme, monkeypatch):
    monkeypatch.setattr(views, "PACKAGES_A_PAGE", 2)
    terms = tokens_product(validity=1, begins_at=at(0) - dt.timedelta(days=30))
    numbers = [buy(acme, terms, now=at(30) - dt.timedelta(days=9 - n)).number for n in range(5)]
    pages, link = [], PACKAGES

    while link:
        page = alice_client.get(link)
        pages.append([number for number in numbers if number in text(page)])
        older = page.context["page"].older_than
        link = f"{PACKAGES}?older_than={older}" if older else ""

    assert pages == [numbers[3:], numbers[1:3], numbers[:1]]


@pytest.mark.parametrize(
    "query", ["older_than=x", "newer_than=0", "older_than=%00", f"newer_than={'9' * 30}"]
)
def test_a_page_that_does_not_exist_is_refused(alice_client, acme, query):
    package = buy(acme)

    answers = [alice_client.get(f"{path}?{query}") for path in (PACKAGES, f"/packages/{package.number}")]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert all("names a page that does not exist" in text(answer) for answer in answers)


# --- One package -----------------------------------------------------------------------------------


def test_a_package_shows_its_document(alice_client, acme):
    terms = tokens_product(offer_price=Decimal("24.5"), weights=[("SenseChat-5", "output_tokens", "2.5")])
    purchase = buy(acme, terms).purchase

    said = text(alice_client.get(f"/packages/{purchase}"))

    assert f"Package {purchase}" in said
    assert "Price RMB 24.50 30.00 Amount RMB 24.50" in said
    assert f"{local(at(0))} until {local(purchase.package.expires_at)}" in said
    assert "by alice@acme.example" in said
    assert "a token of SenseChat-5 output tokens takes 2.5" in said


def test_a_tpm_package_shows_its_units(alice_client, acme):
    purchase = buy(acme, tpm_product(), units=3, periods=7).purchase

    said = text(alice_client.get(f"/packages/{purchase}"))

    assert "3 units: 30,000 TPM, 99 RPM" in said
    assert "Amount RMB 2,100.00 21 × 100.00" in said
    assert "refused with HTTP 429" in said


def test_a_tpm_package_shows_the_minutes_above_the_quota(alice_client, acme):
    package = buy(acme, tpm_product(), units=1, periods=1)
    issued, service = bill(acme, hour=1), Service.objects.get(name="SenseChat-5")
    for minute, tokens in ((65, 12_345), (66, 10_001)):
        QuotaOverrun.objects.create(
            bill=issued, service=service, minute=at(minute), tokens=tokens, bought=10_000
        )

    said = text(alice_client.get(f"/packages/{package.number}"))

    assert f"{local(at(66))} SenseChat-5 {issued} 10,000 10,001 {local(at(65))}" in said


def test_a_tpm_package_without_such_minutes_says_so(alice_client, acme):
    package = buy(acme, tpm_product(), units=1, periods=1)

    assert "No minute was above the quota." in text(alice_client.get(f"/packages/{package.number}"))


def test_the_log_says_what_each_hour_drew_and_gave_back(alice_client, acme):
    package = buy(acme)
    bills = [bill(acme, hour=hour) for hour in (0, 1)]
    draw(package, 400_000, of=bills[0])
    draw(package, -100_000, of=bills[1])

    page = alice_client.get(f"/packages/{package.number}")

    hours = [hour_text(at(0, hour=hour), SHANGHAI) for hour in (0, 1)]
    assert f"{hours[1]} {bills[1]} 600,000 given back 100,000 700,000" in text(page)
    assert f"{hours[0]} {bills[0]} 1,000,000 drawn -400,000 600,000" in text(page)
    assert reverse("bill", args=[bills[1].number]) in page.content.decode()


def test_the_log_comes_page_by_page(alice_client, acme, monkeypatch):
    monkeypatch.setattr(views, "DRAWS_A_PAGE", 1)
    package = buy(acme)
    for hour in (0, 1):
        draw(package, 1, of=bill(acme, hour=hour))
    path = f"/packages/{package.number}"

    first = alice_client.get(path)
    second = alice_client.get(f"{path}?older_than={first.context['page'].older_than}")
    back = alice_client.get(f"{path}?newer_than={second.context['page'].newer_than}")

    assert [page.context["page"].rows[0].left for page in (first, second, back)] == [
        999_998,
        999_999,
        999_998,
    ]


def test_the_log_can_be_downloaded(alice_client, acme):
    package = buy(acme)
    issued = bill(acme)
    measure = {"ran_out_measure": "input_tokens", "ran_out_quantity": 180_000}
    draw(package, 1_000_000, of=issued, ran_out_at=at(50), ran_out_event_id="=last", **measure)

    answer = alice_client.get(f"/packages/{package.number}/draws.csv")

    assert answer.headers["Content-Disposition"] == f'attachment; filename="{package.number}-draws.csv"'
    [row] = csv_rows(answer)
    assert (row["package"], row["bill"], row["state"]) == (package.number, issued.number, "drawn")
    assert (row["left_before"], row["tokens"], row["left"]) == ("1000000", "1000000", "0")
    assert (row["ran_out_utc"], row["ran_out_event_id"]) == (f"{at(50):%Y-%m-%dT%H:%M:%S.%fZ}", "'=last")


# --- Buying ----------------------------------------------------------------------------------------


def test_products_on_sale_are_offered_with_what_they_cover(alice_client):
    tokens_product(services=("SenseChat-5", "SenseChat-Vision"), offer_price=Decimal(25))
    tokens_product("Gone", ends_at=at(-60))

    said = text(alice_client.get(f"{PACKAGES}/buy"))

    assert "SenseChat-5 1M Tokens Quota Package Prepaid 1,000,000 tokens" in said
    assert "SenseChat-Vision" in said
    assert "30 days 30.00 25.00" in said
    assert "Gone" not in said


def test_many_products_take_as_many_queries_as_one(alice_client):
    for number in range(6):
        tokens_product(f"Product {number}")

    get_within(alice_client, f"{PACKAGES}/buy", queries=9)


def test_what_a_purchase_changes_is_shown_before_it_is_made(alice_client):
    terms = tokens_product()

    said = text(alice_client.get(page_of(terms)))

    begins = local(at(0))
    assert f"SenseChat-5 Tokens Postpaid, {begins} Tokens Quota Package Prepaid, {begins}" in said
    assert "Buy for RMB 30.00" in said
    assert not PackagePurchase.objects.exists()


def test_the_other_method_has_to_end_first_and_the_page_says_when(alice_client, acme):
    first = buy(acme)
    terms = tpm_product()

    said = text(alice_client.get(page_of(terms) + "?units=2&periods=3"))

    assert f"begins when that has ended: {local(first.expires_at)}" in said
    assert "Buy for RMB 600.00" in said


def test_every_method_that_ends_before_the_package_begins_is_said(alice_client, acme):
    terms = tokens_product()
    first = buy(acme, terms)
    second = buy(acme, tpm_product(), units=1, periods=3)

    said = text(alice_client.get(page_of(terms)))

    ends, begins = local(first.expires_at), local(second.expires_at)
    assert f"SenseChat-5 Tokens Quota Package Prepaid, {ends} TPM Quota Package Prepaid, {begins}" in said
    assert f"Tokens Quota Package Prepaid, {begins} Calls from then on are covered." in said


def test_another_package_of_the_same_method_ends_nothing(alice_client, acme):
    terms = tokens_product()
    first = buy(acme, terms)

    said = text(alice_client.get(page_of(terms)))

    ends = local(first.expires_at)
    assert f"nothing: Tokens Quota Package Prepaid is in force, until {ends} this package as well" in said


def test_an_owner_buys_a_package(alice_client, acme):
    terms = tokens_product()

    answer = alice_client.post(page_of(terms), order(alice_client, terms), follow=True)

    purchase = PackagePurchase.objects.get()
    assert (purchase.customer_code, purchase.bought_by) == ("acme", "alice@acme.example")
    assert f"Bought: SenseChat-5 1M, number {purchase}." in text(answer)
    assert answer.redirect_chain == [(f"/packages/{purchase}", 302)]


def test_an_owner_buys_units(alice_client, acme):
    terms = tpm_product()

    alice_client.post(page_of(terms), order(alice_client, terms, "?units=5&periods=30"))

    purchase = PackagePurchase.objects.get()
    assert (purchase.package.units, purchase.quantity, purchase.amount) == (5, 150, Decimal(15_000))
    assert purchase.package.begins_at == at(60)


def test_an_order_that_is_sent_twice_is_one(alice_client, acme, clock):
    terms = tokens_product()
    sent = order(alice_client, terms)

    first = alice_client.post(page_of(terms), sent)
    clock(at(70))
    second = alice_client.post(page_of(terms), sent)

    assert PackagePurchase.objects.count() == 1
    assert (first.status_code, second.headers["Location"]) == (302, first.headers["Location"])


def test_a_purchase_that_would_begin_at_another_hour_is_shown_again(alice_client, acme, clock):
    terms = tokens_product()
    sent = order(alice_client, terms)
    clock(at(70))

    again = alice_client.post(page_of(terms), sent)

    assert again.status_code == 409
    assert "Nothing was bought: the package would begin at another hour" in text(again)
    assert not PackagePurchase.objects.exists()
    fields = fields_of(again)
    assert (fields["order_id"], fields["begins_at"]) == ([sent["order_id"]], [at(60).isoformat()])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"order_id": "x"}, "the page was sent incomplete"),
        ({"order_id": ""}, "the page was sent incomplete"),
        ({"begins_at": "x"}, "the page was sent incomplete"),
        ({"units": "0"}, "Give a whole number from 1 to 10,000."),
        ({"units": "1.5"}, "Correct the fields"),
        ({"units": "9" * 40}, "Give a number of at most 18 digits."),
        ({"periods": "3661"}, "Give a whole number from 1 to 3,660."),
        ({"periods": ""}, "Correct the fields"),
    ],
)
def test_an_order_that_cannot_be_read_buys_nothing(alice_client, acme, fields, words):
    terms = tpm_product()
    sent = order(alice_client, terms, "?units=1&periods=1")

    refused = alice_client.post(page_of(terms), sent | fields)

    assert refused.status_code == 400
    assert words in text(refused)
    assert not MethodPeriod.objects.exists()


def test_a_product_that_is_no_longer_on_sale_is_not_bought(alice_client, acme, clock):
    terms = tokens_product(ends_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=3))
    sent = order(alice_client, terms)
    clock(terms.ends_at)

    refused = alice_client.post(page_of(terms), sent)

    assert refused.status_code == 400
    assert "is not on sale on these terms now" in text(refused)
    assert "Buy for" not in text(refused)


def test_a_suspended_customer_reads_why_nothing_can_be_bought(alice_client, acme):
    terms = tokens_product()
    acme.is_suspended = True
    acme.save()

    page = alice_client.get(page_of(terms))

    assert page.status_code == 400
    assert "Acme Ltd is suspended and cannot buy packages." in text(page)


def test_terms_that_have_not_begun_are_not_there(alice_client):
    terms = tokens_product(begins_at=at(50))

    assert alice_client.get(page_of(terms)).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_viewer_may_not_buy(alice_views, alice_client, method):
    terms = tokens_product()

    answers = [getattr(alice_client, method)(path) for path in (page_of(terms), f"{PACKAGES}/buy")]

    assert answers[0].status_code == 403
    assert answers[1].status_code == (403 if method == "get" else 405)
    assert not PackagePurchase.objects.exists()


def test_a_person_of_another_customer_finds_nothing_to_buy(bob_client, acme):
    terms = tokens_product()

    answers = [bob_client.get(page_of(terms)), bob_client.post(page_of(terms), {})]

    assert [answer.status_code for answer in answers] == [404, 404]


def test_the_other_customers_order_id_is_refused(alice_client, acme, globex):
    terms = tokens_product()
    others = buy(globex, terms).purchase

    sent = order(alice_client, terms) | {"order_id": str(others.order_id)}
    refused = alice_client.post(page_of(terms), sent)

    assert refused.status_code == 400
    assert "globex" not in text(refused)
    assert PackageTerms.objects.get().packages.count() == 1
