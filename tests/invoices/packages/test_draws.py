"""What packages cover when an hour closes, and what is left of them."""

from decimal import Decimal

import pytest

from accounts.models import Customer
from invoices.books.compare import Findings
from invoices.books.rerun import repeat_rating
from invoices.closing.parking import release
from invoices.models import ChargeLine, HourlyBill, ParkedHour, QuotaOverrun
from invoices.rating.charges_sql import charges_so_far
from tests.builders import at, close, record, report
from tests.packages import buy, draws, lines, tokens_product, tpm_product
from usage.ingest.reversals import reverse_record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("verified_afterwards")]

IN, OUT = "input_tokens", "output_tokens"
BY = "operator@sensenova.example"


def use(event_id, minute, tokens_in, tokens_out=0, *, hour=0, now=None, **fields):
    record(
        report(
            event_id,
            occurred_at=at(minute, hour=hour),
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            **fields,
        ),
        now=now or at(61, hour=hour),
    )


def reverse(event_id, *, now):
    customer = Customer.objects.get(code="acme")
    reverse_record(customer=customer, event_id=event_id, reason="A test run.", by=BY, now=now)


def assert_made_again(*hours):
    """Rating these closed hours again gives the lines that are there."""
    for hour in hours:
        found = Findings()
        repeat_rating(hour=at(0, hour=hour), found=found)
        assert found.first == []


def test_the_example_of_the_issue(acme):
    package = buy(acme, tokens_product(tokens=1_000_000), now=at(30))
    use("a", 10, 15_000, 5_000)
    use("b", 40, 600_000, 200_000)
    use("c", 50, 200_000, 100_000)

    close()

    assert draws(package) == [(1_000_000, 0)]
    assert lines() == {
        ("SenseChat-5", IN, "SenseChat-5 1M"): (15_000 + 600_000 + 180_000, 0),
        ("SenseChat-5", OUT, "SenseChat-5 1M"): (205_000, 0),
        ("SenseChat-5", IN, None): (20_000, Decimal("0.8")),
        ("SenseChat-5", OUT, None): (100_000, Decimal("10")),
    }


def test_the_soonest_expiry_is_drawn_first(acme):
    later = buy(acme, tokens_product("later", 1000, validity=60), now=at(1))
    sooner = buy(acme, tokens_product("sooner", 1000, validity=30), now=at(2))
    use("a", 10, 600, 500)

    close()

    assert (draws(sooner), draws(later)) == ([(1000, 0)], [(100, 900)])
    assert lines() == {
        ("SenseChat-5", IN, "sooner"): (600, 0),
        ("SenseChat-5", OUT, "sooner"): (400, 0),
        ("SenseChat-5", OUT, "later"): (100, 0),
    }


def test_of_two_that_expire_together_the_first_bought_is_drawn_first(acme):
    terms = tokens_product(tokens=1000)
    first, second = buy(acme, terms, now=at(1)), buy(acme, terms, now=at(2))
    use("a", 10, 700)

    close()

    assert (draws(first), draws(second)) == ([(700, 300)], [])


def test_packages_that_cover_other_services_are_drawn_by_their_own_calls(acme):
    chat = buy(acme, tokens_product("chat", 100, services=["SenseChat"], validity=10), now=at(1))
    both = buy(acme, tokens_product("both", 100, services=["SenseChat", "SenseChat-5"]), now=at(1))
    use("a", 10, 60)
    use("b", 11, 150, service="SenseChat")
    use("c", 12, 60)

    close()

    assert (draws(chat), draws(both)) == ([(100, 0)], [(100, 0)])
    assert lines() == {
        ("SenseChat", IN, "chat"): (100, 0),
        ("SenseChat", IN, "both"): (40, 0),
        ("SenseChat", IN, None): (10, Decimal("0.00012")),
        ("SenseChat-5", IN, "both"): (60, 0),
        ("SenseChat-5", IN, None): (60, Decimal("0.0024")),
    }


def test_calls_that_one_package_covers_are_not_parted_where_a_later_one_runs_out(acme):
    first = buy(acme, tokens_product("first", 100, services=["SenseChat"], validity=10), now=at(1))
    later = buy(acme, tokens_product("later", 100, services=["SenseChat", "SenseChat-5"]), now=at(1))
    use("a", 10, 10, service="SenseChat")
    use("b", 11, 150)

    close()

    assert (draws(first), draws(later)) == ([(10, 90)], [(100, 0)])
    assert ChargeLine.objects.filter(package=first).count() == 2


def test_a_token_of_an_item_may_take_more_than_one_of_the_package(acme):
    weights = [("SenseChat-5", OUT, "2.5")]
    package = buy(acme, tokens_product("heavy", 1000, weights=weights), now=at(1))
    use("a", 10, 500, 300)

    close()

    assert draws(package) == [(1000, 0)]
    assert lines()["SenseChat-5", OUT, "heavy"] == (200, 0)


def test_what_is_less_than_a_token_takes_lapses_with_the_package(acme):
    package = buy(acme, tokens_product("heavy", 10, weights=[("SenseChat-5", IN, "3")]), now=at(1))
    use("a", 10, 5)
    close()
    use("b", 10, 5, hour=1)
    close(hour=1)

    assert draws(package) == [(9, 1)]
    assert [period.ends_at for period in package.periods.all()] == [at(0, hour=1)]


def test_from_the_next_hour_on_the_method_is_postpaid(acme):
    package = buy(acme, tokens_product(tokens=10), now=at(1))
    use("a", 10, 10)
    close()
    use("b", 10, 10, hour=1)
    close(hour=1)

    assert [period.ends_at for period in package.periods.all()] == [at(0, hour=1)]
    assert lines()["SenseChat-5", IN, None] == (10, Decimal("0.0004"))


def test_a_call_before_the_hour_of_the_purchase_is_charged(acme):
    package = buy(acme, tokens_product(), now=at(5, hour=1))
    use("a", 59, 100, now=at(5, hour=1))
    close()
    use("b", 0, 100, hour=1)
    close(hour=1)

    assert draws(package) == [(100, 999_900)]


def test_a_late_call_draws_on_what_is_left_of_a_package_of_its_own_time(acme):
    package = buy(acme, tokens_product(tokens=100), now=at(5))
    use("a", 10, 30)
    close()
    use("late", 11, 50, now=at(10, hour=1))
    close(hour=1)

    assert draws(package) == [(30, 70), (50, 20)]


def test_late_calls_come_before_those_of_the_hour(acme):
    buy(acme, tokens_product(tokens=100), now=at(5))
    use("a", 10, 30)
    close()
    use("late", 11, 50, now=at(10, hour=1))
    use("b", 5, 50, hour=1)
    close(hour=1)

    assert lines()["SenseChat-5", IN, None] == (30, Decimal("0.0012"))


def test_what_a_package_does_not_count_is_charged(acme):
    buy(acme, tokens_product(services=["SenseChat-5", "nova-tts-1"]), now=at(1))
    use("a", 10, 100)
    record(report("speech", service="nova-tts-1", input_tokens=0, output_tokens=0, input_characters=50))

    close()

    assert [p.reason for p in ParkedHour.objects.all()] == []
    covered = {(service, package): quantity for (service, _, package), (quantity, _) in lines().items()}
    assert covered == {("SenseChat-5", "SenseChat-5 1M"): 100, ("nova-tts-1", None): 50}


def test_a_tpm_package_covers_all_calls_of_its_hours(acme):
    package = buy(acme, tpm_product(), units=2, periods=1, now=at(30))
    use("before", 59, 100)
    close()
    use("a", 0, 600_000, 500_000, hour=1)
    close(hour=1)

    assert (package.begins_at, package.tpm, package.rpm) == (at(0, hour=1), 20_000, 66)
    assert lines()["SenseChat-5", OUT, "SenseChat-5 TPM"] == (500_000, 0)
    assert lines()["SenseChat-5", IN, None] == (100, Decimal("0.004"))
    assert draws(package) == []


def test_minutes_beyond_the_tpm_that_was_bought_are_stated_and_not_charged(acme):
    buy(acme, tpm_product(), units=1, periods=1, now=at(30))
    use("a", 5, 10_000, hour=1)
    use("b", 6, 9_000, 1_001, hour=1)
    close()
    close(hour=1)

    (overrun,) = QuotaOverrun.objects.all()
    assert (overrun.minute, int(overrun.tokens), overrun.bought) == (at(6, hour=1), 10_001, 10_000)
    assert HourlyBill.objects.get().amount == 0


@pytest.mark.parametrize(("tokens", "parked"), [(1_210_000, []), (1_210_001, [2])])
def test_an_hour_far_beyond_the_tpm_is_parked(tokens, parked, acme, settings):
    settings.PARK_ABOVE_QUOTA_SHARE = Decimal(2)
    buy(acme, tpm_product(), units=1, periods=1, now=at(30))
    use("a", 5, tokens, hour=1)
    use("b", 6, 1, hour=1)
    close()
    close(hour=1)

    assert [one.records for one in ParkedHour.objects.all()] == parked


def test_a_reversed_call_gives_back_what_it_drew(acme):
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    use("a", 10, 300, 100)
    use("b", 11, 100)
    close()
    reverse("a", now=at(10, hour=1))
    close(hour=1)

    assert draws(package) == [(500, 500), (-400, 900)]
    assert [line.amount for line in ChargeLine.objects.filter(correction="reversal")] == [0, 0]


def test_a_package_that_has_ended_takes_nothing_back(acme):
    package = buy(acme, tokens_product(tokens=100), now=at(1))
    use("a", 10, 60)
    use("b", 11, 60)
    close()
    reverse("a", now=at(10, hour=1))
    close(hour=1)

    assert draws(package) == [(100, 0)]


def test_a_divided_call_that_is_reversed_is_credited_what_it_was_charged(acme):
    package = buy(acme, tokens_product(tokens=100), now=at(1))
    other = buy(acme, tokens_product("more", 30, validity=60), now=at(2))
    use("a", 10, 80)
    use("b", 11, 60, 40)
    close()
    reverse("b", now=at(10, hour=1))
    close(hour=1)

    reversed_lines = {
        (line.measure, line.package_id): (int(line.quantity), line.amount.normalize())
        for line in ChargeLine.objects.filter(correction="reversal")
    }
    assert reversed_lines == {
        (IN, package.pk): (-20, 0),
        (IN, other.pk): (-30, 0),
        (IN, None): (-10, Decimal("-0.0004")),
        (OUT, None): (-40, Decimal("-0.004")),
    }


def test_what_is_given_back_can_be_drawn_in_the_same_hour(acme):
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    use("a", 10, 900)
    close()
    reverse("a", now=at(10, hour=1))
    use("b", 11, 800, hour=1)
    close(hour=1)

    assert draws(package) == [(900, 100), (-900, 1000), (800, 200)]


def test_a_parked_hour_draws_nothing_until_it_is_released(acme, settings):
    package = buy(acme, tokens_product(tokens=1000), now=at(1))
    settings.PARK_ABOVE_LINES = 1
    use("a", 10, 300, 100)
    close()
    assert draws(package) == []

    release(parked=ParkedHour.objects.get(), reason="Seen.", by=BY, now=at(5, hour=1))
    close(hour=1)

    assert draws(package) == [(400, 600)]


def test_another_customers_package_covers_nothing(acme, globex):
    package = buy(globex, tokens_product(), now=at(1))
    use("a", 10, 100)

    close()

    assert draws(package) == []
    assert lines()["SenseChat-5", IN, None][0] == 100


def test_the_running_hour_shows_what_would_be_covered(acme):
    buy(acme, tokens_product(tokens=150), now=at(1))
    use("a", 10, 100)
    use("b", 11, 100)

    found = charges_so_far(customer_id=acme.pk, hour=at(0))
    close()

    covered = [
        (int(one.quantity), one.amount.normalize(), bool(one.package)) for one in found if one.quantity
    ]
    assert sorted(covered) == [(50, Decimal("0.002"), False), (150, 0, True)]
    assert_made_again(0)
