"""What a customer may ask of a service: whether it is admitted at all, and within which limits.

Read for many calls at once, and kept: once a second the audit trail is asked whether anything was changed, by
whatever way, and then all is read anew. So a change of limits, of prices or of a customer takes effect within
two seconds, everywhere; what was planned takes effect at its instant, the first price of a service within a
second.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from accounts.audit.context import changes_since
from sensenova_billing.lib.database.prepared_statements import fetch_all
from usage.limits.errors import CallError, CallForbidden, InvalidCall
from usage.limits.stores.windows import CallLimits

CHANGES_CHECKED_EVERY = dt.timedelta(seconds=1)
REFUSAL_TTL = dt.timedelta(seconds=1)
ENTITLEMENT_TTL = dt.timedelta(minutes=10)
MOST_CACHED = 100_000


@dataclass(frozen=True, slots=True)
class EntitlementRequest:
    """Whose call of what, under the names that a sender uses; `key_id` is that of a limited key."""

    customer: str
    service: str
    key_id: int | None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A customer and a service that may have calls admitted, within these limits."""

    customer_id: int
    service_id: int
    service: str
    limits: CallLimits


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """Why there is none; the refusal is made anew for each call, as one that was raised keeps its request."""

    kind: type[InvalidCall] | type[CallForbidden]
    said: tuple[str, str]

    def refusal(self) -> CallError:
        """Return the refusal of one call."""
        return self.kind(*self.said)


@dataclass(frozen=True, slots=True)
class CachedEntitlement:
    """A right, or why there is none, as it is over [since, until) if nothing is changed."""

    right: Entitlement | NotEntitled
    since: dt.datetime
    until: dt.datetime


class Entitlements:
    """Reads rights and keeps them while nothing is changed; used by one thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[EntitlementRequest, CachedEntitlement] = {}
        self._refused: list[EntitlementRequest] = []
        self._snapshot: str | None = None
        self._asked_at: dt.datetime | None = None

    def of(self, asked: Sequence[EntitlementRequest], *, now: dt.datetime) -> list[Entitlement | NotEntitled]:
        """Return the right to each call, or why there is none, in the order asked."""
        self._forget_what_changed(now)
        if len(self._kept) + len(asked) > MOST_CACHED:
            self._kept.clear()
        missing = {one for one in asked if not self._holds(one, now)}
        if missing:
            found = read_entitlements(list(missing), now=now)
            self._kept |= found
            self._refused += [one for one, kept in found.items() if isinstance(kept.right, NotEntitled)]
        return [self._kept[one].right for one in asked]

    def _forget_what_changed(self, now: dt.datetime) -> None:
        # A clock that was set back makes nothing last longer.
        if self._asked_at is not None and self._asked_at <= now < self._asked_at + CHANGES_CHECKED_EVERY:
            return
        self._snapshot, is_changed = changes_since(snapshot=self._snapshot)
        self._asked_at = now
        if is_changed:
            self._kept.clear()
        # Not by a look at all that is kept: with thousands, every call would wait for that once a second.
        for one in self._refused:
            self._kept.pop(one, None)
        self._refused.clear()

    def _holds(self, one: EntitlementRequest, now: dt.datetime) -> bool:
        kept = self._kept.get(one)
        return kept is not None and kept.since <= now < kept.until


def read_entitlements(
    asked: Sequence[EntitlementRequest], *, now: dt.datetime
) -> dict[EntitlementRequest, CachedEntitlement]:
    """Return the right to each call as it is at this instant, or why there is none."""
    rows = fetch_all(
        _READ,
        [one.customer for one in asked],
        [one.service for one in asked],
        [one.key_id for one in asked],
        now,
    )
    rights = {}
    for one, (changes_at, *row) in zip(asked, rows, strict=True):
        right = _right(one, *row)
        until = now + (ENTITLEMENT_TTL if isinstance(right, Entitlement) else REFUSAL_TTL)
        rights[one] = CachedEntitlement(right, now, min(changes_at or until, until))
    return rights


def _right(
    asked: EntitlementRequest,
    customer_id: int | None,
    is_suspended: bool,
    is_allowed: bool,
    service_id: int | None,
    service: str,
    is_on_sale: bool,
    rpm: int | None,
    tpm: int | None,
) -> Entitlement | NotEntitled:
    if not is_allowed:
        # The same for a customer that does not exist, so that a key learns nothing about others.
        return NotEntitled(InvalidCall, ("customer", "this key may not ask for it"))
    if customer_id is None:
        return NotEntitled(InvalidCall, ("customer", "there is no such customer"))
    if service_id is None:
        return NotEntitled(InvalidCall, ("service", "there is no such service"))
    if is_suspended:
        return NotEntitled(
            CallForbidden, ("customer_suspended", f"{asked.customer} is suspended: no call is admitted.")
        )
    if not is_on_sale:
        return NotEntitled(
            CallForbidden, ("service_not_on_sale", f"{service} is not on sale now: no call is admitted.")
        )
    if rpm is None:
        return NotEntitled(
            CallForbidden,
            ("no_call_specification", f"{service} has no call specification now: no call is admitted."),
        )
    return Entitlement(customer_id, service_id, service, CallLimits(rpm, tpm))


# A service of that very name comes before an alias; a customer's own call specification before the default.
_READ = """
WITH asked AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])
           WITH ORDINALITY AS asked (customer, service, key_id, place)
), present AS (
    SELECT %s::timestamptz AS instant
)
SELECT (SELECT min(instant_of_change)
          FROM pricing_callspecification AS held
         CROSS JOIN LATERAL (VALUES (held.begins_at), (held.ends_at)) AS edge (instant_of_change)
         WHERE held.service_id = service.id AND (held.customer_id IS NULL OR held.customer_id = customer.id)
           AND instant_of_change > instant),
       customer.id, coalesce(customer.is_suspended, false),
       asked.key_id IS NULL OR EXISTS (
           SELECT FROM accounts_servicekey_customers AS allowed
            WHERE allowed.servicekey_id = asked.key_id AND allowed.customer_id = customer.id),
       service.id, service.name,
       -- As usage is taken: once there is a price for everybody there always is one.
       EXISTS (
           SELECT FROM pricing_billingitem AS item
             JOIN pricing_price AS price ON price.billing_item_id = item.id
            WHERE item.service_id = service.id AND price.customer_id IS NULL AND price.begins_at <= instant),
       specification.rpm, specification.tpm
  FROM present
 CROSS JOIN asked
  LEFT JOIN accounts_customer AS customer ON customer.code = asked.customer
  LEFT JOIN LATERAL (
       SELECT id, name, 0 AS turn FROM pricing_service WHERE name = asked.service
        UNION ALL
       SELECT named.id, named.name, 1 AS turn
         FROM pricing_servicealias AS alias
         JOIN pricing_service AS named ON named.id = alias.service_id
        WHERE alias.alias = asked.service
        ORDER BY turn
        LIMIT 1) AS service ON true
  LEFT JOIN LATERAL (
       SELECT rpm, tpm
         FROM pricing_callspecification AS held
        WHERE held.service_id = service.id AND (held.customer_id IS NULL OR held.customer_id = customer.id)
          AND held.begins_at <= instant AND (held.ends_at IS NULL OR held.ends_at > instant)
        ORDER BY held.customer_id NULLS LAST
        LIMIT 1) AS specification ON true
 ORDER BY asked.place
"""
