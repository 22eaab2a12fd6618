"""Which price counts, in SQL: the rule of `precedence.py`, for statements over many records at once."""

from pricing.rules.kinds import RANK
from sensenova_billing.lib.database.statements import load_template

_PRICE_IN_FORCE = load_template("price_in_force.sql", beside=__file__)
_RANKS = " ".join(f"WHEN '{kind}' THEN {place}" for kind, place in RANK.items())


def price_in_force_sql(*, item: str, customer: str, instant: str) -> str:
    """Return a query for the row of pricing_price that counts, or none, given three expressions in SQL."""
    return _PRICE_IN_FORCE.substitute(item=item, customer=customer, instant=instant, ranks=_RANKS)
