"""How long customers have to pay and are admitted after that, by values of their own or those of all."""

from typing import TypeVar

Value = TypeVar("Value")

MOST_DAYS = 3650  # to pay, of grace, and of notice
MOST_HOURS = 24 * 31  # of spending that a low balance covers


def own_or(own: Value | None, of_all: Value) -> Value:
    """Return a customer's own value, or that of all customers where it has none."""
    return of_all if own is None else own
