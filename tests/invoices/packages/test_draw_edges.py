"""Edges of drawing that random histories seldom meet; each was a fault that no test saw."""

from decimal import Decimal

import pytest

from invoices.models import ChargeLine, HourlyBill, ParkedHour
from pricing.models import MethodPeriod
from tests.builders import at, close, record, report
from tests.packages import UNCOVERED, buy, draws, lines, tokens_product, tpm_package, tpm_product
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

IN, OUT = "input_tokens", "output_tokens"


def use(event_id, minute, tokens_in, tokens_out=0, **fields):
    instant = at(minute)
    record(
        report(event_id, occurred_at=instant, input_tokens=tokens_in, output_tokens=tokens_out, **fields),
        now=at(61),
    )


def reverse(customer, event_id, *, now):
    reverse_record(customer=customer, event_id=event_id, reason="A test run.", by="operator", now=now)


def credited():
    """The quantities and amounts of reversals, by the product of the package that had covered them."""
    found = ChargeLine.objects.filter(correction="reversal", quantity__lt=0).select_related("package")
    return {one.package and one.package.product_name: (int(one.quantity), one.amount) for one in found}


def test_a_package_covers_nothing_after_one_that_has_enough(acme):
    first = buy(acme, tokens_product("first", 100, validity=10), now=at(1))
    second = buy(acme, tokens_product("second", 1000, validity=20), now=at(1))
    third = buy(acme, tokens_product("third", 1000, validity=30), now=at(1))
    for number in range(4):
        use(f"call-{number}", 10 + number, 60)

    close()

    assert (draws(first), draws(second), draws(third)) == ([(100, 0)], [(140, 860)], [])
    assert HourlyBill.objects.get().records == 4


def test_a_service_first_called_after_its_package_ran_out_is_charged(acme):
    package = buy(acme, tokens_product("both", 100, services=["SenseChat-5", UNCOVERED]), now=at(1))
    use("runs out", 10, 150)
    use("after", 20, 70, service=UNCOVERED)

    close()

    assert draws(package) == [(100, 0)]
    quantities = {service: quantity for (service, *_, of), (quantity, _) in lines().items() if not of}
    assert quantities == {"SenseChat-5": 50, UNCOVERED: 70}
    assert HourlyBill.objects.get().records == 2


def test_a_call_in_three_parts_is_one_record(acme):
    buy(acme, tokens_product("first", 10, validity=10), now=at(1))
    buy(acme, tokens_product("second", 20, validity=20), now=at(1))
    use("a", 10, 100)

    close()

    assert {package: quantity for (_, _, package), (quantity, _) in lines().items()} == {
        "first": 10,
        "second": 20,
        None: 70,
    }
    assert HourlyBill.objects.get().records == 1


def test_only_the_package_that_ran_out_ends(acme, globex):
    ended = buy(acme, tokens_product("ends", 100, validity=10), now=at(1))
    others = [
        buy(acme, tokens_product("goes on", 100, validity=20), now=at(1)),
        buy(acme, tokens_product("other service", 100, services=["SenseChat"]), now=at(1)),
        buy(globex, tokens_product("another's", 100), now=at(1)),
    ]
    use("a", 10, 150)
    use("b", 10, 50, customer="globex")

    close()

    ends = dict(MethodPeriod.objects.values_list("package", "ends_at"))
    assert ends == {ended.pk: at(60), **{one.pk: one.expires_at for one in others}}


def test_a_tpm_package_covers_characters_too(acme):
    buy(acme, tpm_product(service="nova-tts-1", begins_at=at(-60)), units=1, now=at(-59))
    record(
        report("speech", service="nova-tts-1", input_tokens=0, output_tokens=0, input_characters=50),
        now=at(61),
    )

    close()

    assert not ParkedHour.objects.exists()
    assert lines() == {("nova-tts-1", "input_characters", "SenseChat-5 TPM"): (50, 0)}
    assert HourlyBill.objects.get().records == 1


def test_a_reversed_call_is_not_covered_by_a_tpm_package_that_did_not_cover_it(acme, globex):
    tpm_package(acme, 1, begins_at=at(-60), ends_at=at(0))
    tpm_package(acme, 1, begins_at=at(60), ends_at=at(120))
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60), service="SenseChat")
    tpm_package(globex, 1, begins_at=at(0), ends_at=at(60))
    use("a", 10, 1000)
    close()
    reverse(acme, "a", now=at(70))

    close(hour=1)

    assert credited() == {None: (-1000, -HourlyBill.objects.get(hour=at(0)).amount)}


def test_a_late_call_that_was_charged_is_credited_what_it_cost(acme):
    # It came before the instant at which the package ran out, but after that had been billed.
    buy(acme, tokens_product(tokens=100), now=at(1))
    use("a", 10, 150)
    close()
    use("late", 5, 1000)
    close(hour=1)
    reverse(acme, "late", now=at(125))

    close(hour=2)

    assert credited() == {None: (-1000, Decimal("-0.04"))}


def test_a_reversed_call_goes_back_to_the_one_package_that_covered_it(acme):
    first = buy(acme, tokens_product("first", 10, validity=10), now=at(1))
    second = buy(acme, tokens_product("second", 1000, validity=20), now=at(1))
    both = tokens_product("third", 1000, validity=30, services=["SenseChat", "SenseChat-5"])
    third = buy(acme, both, now=at(1))
    use("a", 10, 20)
    use("b", 11, 70)
    use("c", 12, 500, service="SenseChat")
    close()
    reverse(acme, "b", now=at(70))

    close(hour=1)

    assert (draws(first), draws(second)) == ([(10, 0)], [(80, 920), (-70, 990)])
    assert (draws(third), credited()) == ([(500, 500)], {"second": (-70, 0)})


def test_a_reversed_call_of_one_token_gives_it_back(acme):
    package = buy(acme, tokens_product(tokens=100), now=at(1))
    use("a", 10, 1)
    close()
    reverse(acme, "a", now=at(70))

    close(hour=1)

    assert draws(package) == [(1, 99), (-1, 100)]


def test_of_a_reversed_call_the_input_that_was_charged_is_credited(acme):
    buy(acme, tokens_product(tokens=100), now=at(1))
    use("a", 10, 150)
    close()
    reverse(acme, "a", now=at(70))

    close(hour=1)

    assert credited() == {"SenseChat-5 1M": (-100, 0), None: (-50, Decimal("-0.002"))}
