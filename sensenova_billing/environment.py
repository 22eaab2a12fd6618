"""The environment's variables, numbers among them read as everywhere: not `1_000`, `1e3` or `NaN`."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

from sensenova_billing.lib.decimals import read_decimal
from sensenova_billing.lib.numbers import read_whole_number

Number = TypeVar("Number", int, Decimal)


class Environment(environ.Env):  # type: ignore[misc]
    """Raises ImproperlyConfigured, naming the variable, for what is not the number that it has to be."""

    def int(self, var: str, default: int) -> int:
        """Return a whole number, which may be negative."""
        return self._number(var, default, _signed)

    def decimal(self, var: str, default: Decimal) -> Decimal:
        """Return a decimal number."""
        return self._number(var, default, read_decimal)

    def secret(self, var: str) -> str:
        """Return a text as it is set, or nothing; `str` reads `$NAME` as the value of another variable."""
        return str(self.ENVIRON.get(var, ""))

    def _number(self, var: str, default: Number, read: Callable[[str], Number]) -> Number:
        text: Any = self.str(var, default="")
        try:
            return read(text) if text else default
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is {text!r}. {error}") from error


def _signed(text: str) -> int:
    number = read_whole_number(text.removeprefix("-"))
    return -number if text.startswith("-") else number
