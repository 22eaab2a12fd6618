"""The limits of quota packages: what those in force for a customer and service allow.

While TPM packages decide the billing method, what was bought replaces the call specification. While Tokens
packages do, theirs and the call specification's are compared, and the larger RPM and the larger TPM apply.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.translation import gettext, ngettext

from pricing.rules.methods import BillingMethod
from sensenova_billing.lib.database.statements import load_statement, load_template
from usage.bounds import MOST_LIMIT
from usage.limits.stores.windows import CallLimits, WindowId


@dataclass(frozen=True, slots=True)
class PackageLimits:
    """The packages in force: RPM and TPM of TPM packages in all, or the largest of Tokens packages."""

    method: BillingMethod
    rpm: int | None
    tpm: int | None
    packages: int = 1
    units: int | None = None

    @property
    def in_words(self) -> str:
        """E.g. `TPM package, 3 units`."""
        if self.units is None:
            return ngettext("Tokens package", "Tokens packages", self.packages)
        packages = ngettext("TPM package", "TPM packages", self.packages)
        units = ngettext("%(number)s unit", "%(number)s units", self.units) % {"number": f"{self.units:,}"}
        return gettext("%(packages)s, %(units)s") % {"packages": packages, "units": units}


def limits_in_force(*, specification: CallLimits | None, packages: PackageLimits | None) -> CallLimits | None:
    """Return the limits under a call specification and these packages; None: no call is admitted."""
    if packages is not None and packages.method == BillingMethod.TPM_PACKAGE:
        return CallLimits(_bounded(packages.rpm or 0), _bounded(packages.tpm or 0))
    if specification is None or packages is None:
        return specification
    rpm, tpm = max(specification.rpm, packages.rpm or 0), specification.tpm
    return CallLimits(_bounded(rpm), None if tpm is None else _bounded(max(tpm, packages.tpm or 0)))


def _bounded(limit: int) -> int:
    """Return what the stores can count; packages have sums beyond it."""
    return min(limit, MOST_LIMIT)


def package_limits_of(windows: Collection[WindowId], *, now: dt.datetime) -> dict[WindowId, PackageLimits]:
    """Return the limits of the packages that are in force for these customers and services, where any are."""
    values: dict[str, Any] = {
        "customers": [customer for customer, _ in windows],
        "services": [service for _, service in windows],
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_READ, values)
        rows = cursor.fetchall()
    return {
        (customer, service): PackageLimits(BillingMethod(method), rpm, tpm, packages, units)
        for customer, service, method, packages, units, rpm, tpm in rows
    }


def package_limits_sql(*, customer: str, service: str, instant: str) -> str:
    """Return the query for the limits of the packages of a customer and service, each as an expression."""
    return _OF_ONE.substitute(customer=customer, service=service, instant=instant)


_OF_ONE = load_template("package_limits.sql", beside=__file__)
_READ = load_statement(
    "read_package_limits.sql",
    beside=__file__,
    package_limits=package_limits_sql(
        customer="requested.customer", service="requested.service", instant="%(now)s::timestamptz"
    ),
)
