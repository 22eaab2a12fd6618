"""Overruns: the minutes in which a customer used more tokens than the TPM that it had bought.

Admission refuses calls beyond the TPM, but a call may use more than estimated, or be made without admission.
What is more than was bought is not charged. A late record counts with the others of its billing hour and with
what the minute had on earlier bills, so an overrun that is stored with an hour's bill never changes.
"""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from pricing.rules.measures import TPM_MEASURES
from pricing.rules.methods import TPM_OF_UNIT, BillingMethod
from sensenova_billing.lib.database.statements import load_statement


class Overrun(NamedTuple):
    """A minute of one customer and service: the tokens that were used by then, and the TPM that was bought.

    `before` are those of the tokens that are on earlier bills.
    """

    customer_id: int
    service_id: int
    minute: dt.datetime
    tokens: int
    bought: int
    before: int


def overruns_of(*, hour: dt.datetime, customers: Sequence[int] | None = None) -> list[Overrun]:
    """Return the overruns among the records of a billing hour, of everybody or of some customers."""
    with connection.cursor() as cursor:
        cursor.execute(OVERRUNS, {"hour": hour, "customers": None if customers is None else list(customers)})
        rows = cursor.fetchall()
    return [
        Overrun(customer, service, minute, int(tokens), int(bought), int(before))
        for customer, service, minute, tokens, bought, before in rows
    ]


# A query with the parameters `hour` and `customers`, and a column for each field of an Overrun.
OVERRUNS = load_statement(
    "overruns.sql",
    beside=__file__,
    tokens=" + ".join(f"coalesce({measure}, 0)" for measure in TPM_MEASURES),
    method=BillingMethod.TPM_PACKAGE.value,
    tpm_of_unit=str(TPM_OF_UNIT),
)
