"""Edges of drawing that random histories seldom meet; each was a fault that no test saw."""

import pytest

from invoices.models import ChargeLine, HourlyBill, ParkedHour
from pricing.models import MethodPeriod
from tests.builders import at, close, record, report
from tests.invoices.packages.drawn import buy, draws, lines, tokens_product, tpm_product
from tests.packages import tpm_package
from usage.ingest.reversals import reverse_record

pytestmark = pytest.mark.django_db

IN, OUT = "input_tokens", "output_tokens"


def use(event_id, minute, tokens_in, tokens_out=0, **fields):
    instant = at(minute)
    record(
        report(event_id, occurred_at=instant, input_tokens=tokens_in, output_tokens=tokens_out, **fields),
        now=at(61),
    )


def test_a_package_covers_nothing_after_one_that_has_enough(acme):
    first = buy(acme, tokens_product("first", 100, validity=10), now=at(1))
    second = buy(acme, tokens_product("second", 1000, validity=20), now=at(1))
    third = buy(acme, tokens_product("third", 1000, validity=30), now=at(1))
    for number in range(4):
        use(f"call-{number}", 10 + number, 60)

    close()

    assert (draws(first), draws(second), draws(third)) == ([(100, 0)], [(140, 860)], [])
    assert HourlyBill.objects.get().records == 4


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
    assert lines() == {("nova-tts-1", "input_characters", "TPM by day"): (50, 0)}
    assert HourlyBill.objects.get().records == 1


def test_a_reversed_call_is_not_covered_by_a_tpm_package_that_did_not_cover_it(acme, globex):
    tpm_package(acme, 1, begins_at=at(-60), ends_at=at(0))
    tpm_package(acme, 1, begins_at=at(60), ends_at=at(120))
    tpm_package(acme, 1, begins_at=at(0), ends_at=at(60), service="SenseChat")
    tpm_package(globex, 1, begins_at=at(0), ends_at=at(60))
    use("a", 10, 1000)
    close()
    reverse_record(customer=acme, event_id="a", reason="A test run.", by="operator", now=at(70))

    close(hour=1)

    (credited,) = ChargeLine.objects.filter(correction="reversal", quantity__lt=0)
    assert (credited.package, credited.amount) == (None, -HourlyBill.objects.get(hour=at(0)).amount)
