"""What owners do with their customer's own keys. Each acts for that customer only."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from accounts.api_keys.keys import issue_service_key, revoke_service_key
from accounts.audit.context import audit_context
from accounts.models import Customer, ServiceKey

MOST_LIVE_KEYS = 50


class KeyRefused(Exception):
    """Nothing was done with a key, for this reason."""


def live_keys(*, customer: Customer, at: dt.datetime) -> QuerySet[ServiceKey]:
    """Return the customer's own keys that are accepted at this instant, newest first."""
    return _own(customer).filter(_is_live(at))


def ended_keys(*, customer: Customer, at: dt.datetime) -> QuerySet[ServiceKey]:
    """Return the customer's own keys that are accepted no more, newest first."""
    return _own(customer).exclude(_is_live(at))


def make_key(
    *,
    customer: Customer,
    name: str,
    scopes: Iterable[str],
    lasts: dt.timedelta | None,
    public_id: str,
    by: str,
    now: dt.datetime,
) -> tuple[ServiceKey, str]:
    """Make a key for this customer and return its row with the full text; or raise KeyRefused."""
    with audit_context(by=by):
        _leave_room(customer, at=now)
        return issue_service_key(
            name=name,
            scopes=scopes,
            expires_at=now + lasts if lasts else None,
            owner=customer,
            public_id=public_id,
        )


def rotate_key(
    *, key: ServiceKey, overlap: dt.timedelta, public_id: str, by: str, now: dt.datetime
) -> tuple[ServiceKey, str]:
    """Make a key in place of this one, which is accepted for the overlap still; or raise KeyRefused.

    The new key has the same name and scopes, and lasts as long from now as the old one did.
    """
    with audit_context(by=by):
        assert key.customer is not None
        _leave_room(key.customer, at=now)
        old = ServiceKey.objects.select_for_update(no_key=True).get(pk=key.pk)
        if not old.is_live(at=now):
            raise KeyRefused(gettext("This key is not accepted any more. Make a new one."))
        lasts = old.expires_at - old.created_at if old.expires_at else None
        made = issue_service_key(
            name=old.name,
            scopes=old.scopes,
            expires_at=now + lasts if lasts else None,
            owner=key.customer,
            public_id=public_id,
        )
        _end(old, at=now + overlap, now=now)
        return made


def revoke_key(*, key: ServiceKey, by: str, now: dt.datetime) -> None:
    """Refuse this key from now on."""
    with audit_context(by=by):
        revoke_service_key(key=key, now=now)


def _end(key: ServiceKey, *, at: dt.datetime, now: dt.datetime) -> None:
    if at <= now:
        revoke_service_key(key=key, now=now)
    elif key.expires_at is None or at < key.expires_at:
        key.expires_at = at
        key.save(update_fields=["expires_at"])


def _leave_room(customer: Customer, *, at: dt.datetime) -> None:
    # Two who make the last key that there may be wait for each other here.
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if live_keys(customer=customer, at=at).count() >= MOST_LIVE_KEYS:
        raise KeyRefused(
            gettext("There are %(most)s keys already. Revoke one that is not used.")
            % {"most": MOST_LIVE_KEYS}
        )


def _own(customer: Customer) -> QuerySet[ServiceKey]:
    return ServiceKey.objects.filter(customer=customer).order_by("-pk")


def _is_live(at: dt.datetime) -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=at))
