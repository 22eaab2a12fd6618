"""The worked table of docs/pricing.md, through a real closing."""

from decimal import Decimal

import pytest

from invoices.models import ChargeLine
from pricing.rules.measures import Measure
from tests.builders import at, close, price, record, report
from tests.tables import table

WORKED = table("pricing.md", "quantity", "unit price", "unit size", "amount", "which is")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("quantity", "unit_price", "unit_size", "amount"),
    [row[:4] for row in WORKED],
    ids=[row[4] for row in WORKED],
)
def test_the_worked_table_of_the_documentation_holds(
    quantity, unit_price, unit_size, amount, acme, unbounded
):
    quantity, unit_price, unit_size, amount = (
        text.replace(",", "") for text in (quantity, unit_price, unit_size, amount)
    )
    own = {"customer": acme, "unit_size": int(unit_size), "begins_at": at(0)}
    price("SenseChat", Measure.INPUT_TOKENS, unit_price, **own)
    record(report(service="SenseChat", input_tokens=int(quantity), output_tokens=0))

    close()

    line = ChargeLine.objects.get(measure=Measure.INPUT_TOKENS)
    assert (line.quantity, line.amount) == (Decimal(quantity), Decimal(amount))


def test_the_worked_table_is_read_whole():
    sizes = {row[2] for row in WORKED}

    assert len(WORKED) == 13
    assert sizes == {"1", "1,000", "10,000", "1,000,000"}
