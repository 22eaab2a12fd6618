"""Entitlements: whether a customer may call a service at all, and within which limits.

Entitlements are read for many calls at once and cached. Once a second a query of the audit trail finds
whether anything was changed, by whatever way; a change clears the cache. So a change of limits, prices or a
customer takes effect within two seconds on all hosts; a scheduled one at its instant, and so do packages that
begin or end; the first price of a service within a second.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q

from accounts.audit.context import changes_since
from pricing.catalogue.service_names import service_by_name_sql
from pricing.models import CallSpecification
from pricing.rules.methods import BillingMethod
from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import utc_text
from usage.limits.caps import Cap, read_caps
from usage.limits.errors import CallError, CallForbidden, InvalidCall
from usage.limits.package_limits import PackageLimits, limits_in_force, package_limits_sql
from usage.limits.stores.windows import CallLimits, WindowId

CHANGES_CHECKED_EVERY = dt.timedelta(seconds=1)
REFUSAL_TTL = dt.timedelta(seconds=1)
ENTITLEMENT_TTL = dt.timedelta(minutes=10)
MOST_CACHED = 100_000


@dataclass(frozen=True, slots=True)
class EntitlementRequest:
    """The customer and service as a request names them; `key_id` is that of a limited key."""

    customer: str
    service: str
    key_id: int | None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A customer may call a service within these limits, and within its cap if a budget stops its calls."""

    customer_id: int
    service_id: int
    service: str
    limits: CallLimits
    cap: Cap | None = None


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """The error for each such call; a new one each time, as a raised one refers to its request."""

    kind: type[InvalidCall] | type[CallForbidden]
    arguments: tuple[Any, ...]

    def error(self) -> CallError:
        """Return a new error for one call."""
        return self.kind(*self.arguments)


@dataclass(frozen=True, slots=True)
class CachedEntitlement:
    """An entitlement, or why there is none; valid over [since, until) unless something changes."""

    entitlement: Entitlement | NotEntitled
    since: dt.datetime
    until: dt.datetime


class Entitlements:
    """Reads entitlements and caches them until something changes; used by one thread at a time."""

    def __init__(self) -> None:
        self._cached: dict[EntitlementRequest, CachedEntitlement] = {}
        self._refused: list[EntitlementRequest] = []
        self._snapshot: str | None = None
        self._checked_at: dt.datetime | None = None

    def of(
        self, requests: Sequence[EntitlementRequest], *, now: dt.datetime
    ) -> list[Entitlement | NotEntitled]:
        """Return the entitlement to each call, or why there is none, in the order of the requests."""
        self._invalidate(now)
        if len(self._cached) + len(requests) > MOST_CACHED:
            self._cached.clear()
        missing = {request for request in requests if not self._is_cached(request, now)}
        if missing:
            found = read_entitlements(list(missing), now=now)
            self._cached |= found
            self._refused += [
                request for request, read in found.items() if isinstance(read.entitlement, NotEntitled)
            ]
        return [self._cached[request].entitlement for request in requests]

    def _invalidate(self, now: dt.datetime) -> None:
        # A clock that was set back must not extend any cached entry.
        if (
            self._checked_at is not None
            and self._checked_at <= now < self._checked_at + CHANGES_CHECKED_EVERY
        ):
            return
        self._snapshot, is_changed = changes_since(snapshot=self._snapshot)
        self._checked_at = now
        if is_changed:
            self._cached.clear()
        # A list of their own: a scan of thousands of cached entries would delay calls once a second.
        for request in self._refused:
            self._cached.pop(request, None)
        self._refused.clear()

    def _is_cached(self, request: EntitlementRequest, now: dt.datetime) -> bool:
        cached = self._cached.get(request)
        return cached is not None and cached.since <= now < cached.until


def read_entitlements(
    requests: Sequence[EntitlementRequest], *, now: dt.datetime
) -> dict[EntitlementRequest, CachedEntitlement]:
    """Return the entitlement to each call at this instant, or why there is none."""
    rows = fetch_all(
        _READ,
        [request.customer for request in requests],
        [request.service for request in requests],
        [request.key_id for request in requests],
        now,
    )
    read = {}
    capped = []
    for request, (changes_at, *row, is_capped, rpm, tpm, method, package_rpm, package_tpm) in zip(
        requests, rows, strict=True
    ):
        limits = limits_in_force(
            specification=None if rpm is None else CallLimits(rpm, tpm),
            packages=method and PackageLimits(BillingMethod(method), package_rpm, package_tpm),
        )
        entitlement = _entitlement(request, limits, *row)
        until = now + (ENTITLEMENT_TTL if isinstance(entitlement, Entitlement) else REFUSAL_TTL)
        read[request] = CachedEntitlement(entitlement, now, min(changes_at or until, until))
        if is_capped and isinstance(entitlement, Entitlement):
            capped.append((request, entitlement))
    return read | _with_caps(capped, read, now)


def _with_caps(
    capped: Sequence[tuple[EntitlementRequest, Entitlement]],
    read: Mapping[EntitlementRequest, CachedEntitlement],
    now: dt.datetime,
) -> dict[EntitlementRequest, CachedEntitlement]:
    """Return these entitlements with their caps, valid until a price of them changes."""
    caps = read_caps({(one.customer_id, one.service_id) for _, one in capped}, now=now)
    found = {}
    for request, entitlement in capped:
        if cap := caps.get((entitlement.customer_id, entitlement.service_id)):
            until = read[request].until
            found[request] = CachedEntitlement(
                replace(entitlement, cap=cap), now, min(cap.changes_at or until, until)
            )
    return found


def _entitlement(
    request: EntitlementRequest,
    limits: CallLimits | None,
    customer_id: int | None,
    is_suspended: bool,
    suspended_for_credit_at: dt.datetime | None,
    suspended_balance: str,
    suspended_limit: str | None,
    is_allowed: bool,
    service_id: int | None,
    service: str,
    is_on_sale: bool,
) -> Entitlement | NotEntitled:
    if not is_allowed:
        # The same for a customer that does not exist, so that a key learns nothing about others.
        return NotEntitled(InvalidCall, ("customer", "this key may not admit calls of this customer"))
    if customer_id is None:
        return NotEntitled(InvalidCall, ("customer", "unknown customer"))
    if service_id is None:
        return NotEntitled(InvalidCall, ("service", "unknown service"))
    if is_suspended:
        return NotEntitled(
            CallForbidden, ("customer_suspended", f"{request.customer} is suspended: no call is admitted.")
        )
    if suspended_for_credit_at is not None:
        return _used_up(request.customer, suspended_for_credit_at, suspended_balance, suspended_limit)
    if not is_on_sale:
        return NotEntitled(
            CallForbidden, ("service_not_on_sale", f"{service} is not on sale now: no call is admitted.")
        )
    if limits is None:
        return NotEntitled(
            CallForbidden,
            ("no_call_specification", f"{service} has no call specification now: no call is admitted."),
        )
    return Entitlement(customer_id, service_id, service, limits)


def _used_up(customer: str, at: dt.datetime, balance: str, limit: str | None) -> NotEntitled:
    """Return that a customer has passed its credit limit, or has used up what it paid ahead."""
    details = {"balance": balance, "credit_limit": limit, "currency": "CNY", "suspended_at": utc_text(at)}
    if limit is None:
        code, words = "balance_exhausted", f"What {customer} has paid ahead is used up"
    else:
        code, words = "credit_limit_reached", f"{customer} owes more than its credit limit of {limit} RMB"
    text = f"{words}: no call is admitted until a payment is booked."
    return NotEntitled(CallForbidden, (code, text, [details]))


def windows_without_cached_input(windows: Collection[WindowId], *, now: dt.datetime) -> set[WindowId]:
    """Return those of these windows whose call specification does not count cached input."""
    customers, services = zip(*windows, strict=True)
    found = specifications_in_force(customers, services, now=now)
    in_force = {window: found.get(window) or found.get((None, window[1])) for window in windows}
    return {window for window, one in in_force.items() if one is not None and one.excludes_cached_input}


def specifications_in_force(
    customers: Collection[int], services: Collection[int], *, now: dt.datetime
) -> dict[tuple[int | None, int], CallSpecification]:
    """Return the call specifications that are in force, by customer (None: the default) and service."""
    found = CallSpecification.objects.in_force(at=now).filter(service__in=services)
    found = found.filter(Q(customer=None) | Q(customer__in=customers))
    return {(one.customer_id, one.service_id): one for one in found}


_READ = load_statement(
    "read_entitlements.sql",
    beside=__file__,
    service_by_name=service_by_name_sql(called="requested.service"),
    package_limits=package_limits_sql(customer="customer.id", service="service.id", instant="instant"),
)
