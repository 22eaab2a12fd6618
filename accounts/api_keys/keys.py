"""Make, recognise and revoke service keys.

A key reads `sk_live_<public id>_<secret>`. The public id finds the row; the secret has 256 random bits,
so a plain SHA-256 of it is stored (OWASP ASVS 5.0, 6.5.2). The whole key is shown once, when it is made.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.models import Customer, Scope, ServiceKey
from sensenova_billing.lib.database.batching import Batcher
from sensenova_billing.lib.database.prepared_statements import fetch_all
from sensenova_billing.lib.database.time_limits import Work

KEY_FORM = re.compile(r"sk_live_([a-z0-9]{8,16})_([A-Za-z0-9_-]{43})", re.ASCII)
USE_NOTED_EVERY = dt.timedelta(minutes=1)
KEY_CACHE_TTL = dt.timedelta(seconds=1)
KEY_REFRESH_AFTER = dt.timedelta(milliseconds=500)
MOST_CACHED_KEYS = 10_000  # genuine keys; others are not cached


@transaction.atomic
def issue_service_key(
    *,
    name: str,
    expires_at: dt.datetime | None = None,
    scopes: Iterable[str] = (Scope.USAGE_WRITE,),
    customers: Iterable[Customer] | None = None,
    owner: Customer | None = None,
    public_id: str = "",
) -> tuple[ServiceKey, str]:
    """Make a key and return its row with the full text, which cannot be shown again.

    Without `customers` the key may act for every customer; one of an `owner` acts for that
    customer. Raise IntegrityError where another key has this `public_id`; without one it is random.
    """
    if owner is not None:
        customers = [owner]
    secret = secrets.token_urlsafe(32)
    key = ServiceKey.objects.create(
        name=name,
        public_id=public_id or new_public_id(),
        secret_sha256=_digest(secret),
        expires_at=expires_at,
        scopes=list(scopes),
        is_limited=customers is not None,
        customer=owner,
    )
    key.customers.set(customers or ())
    return key, f"{key.prefix}_{secret}"


def new_public_id() -> str:
    """Return the public part of a new key."""
    return secrets.token_hex(6)


def rotate_service_key(*, key: ServiceKey, public_id: str = "") -> tuple[ServiceKey, str]:
    """Make a second key with the same scopes and customers; the first stays live until it is revoked."""
    customers = list(key.customers.all()) if key.is_limited else None
    return issue_service_key(
        name=key.name,
        expires_at=key.expires_at,
        scopes=key.scopes,
        customers=customers,
        owner=key.customer,
        public_id=public_id,
    )


@dataclass(frozen=True)
class _PresentedKey:
    """The key of a request, and when it was presented."""

    public_id: str
    sha256: bytes
    at: dt.datetime


def recognise_service_key(*, text: str, now: dt.datetime) -> ServiceKey | None:
    """Return the live key of this text, or None; reads the database, so a revoked key fails at once."""
    match = KEY_FORM.fullmatch(text)
    if match is None:
        return None
    public_id, secret = match.groups()
    return _BATCHER.submit(_PresentedKey(public_id, _digest(secret), now))


def recognise_cached(*, text: str, now: dt.datetime) -> ServiceKey | None:
    """Return the live key of this text, or None; the answer may be a second old."""
    presented = _digest(text)
    cached = _KEY_CACHE.get(presented)
    if cached is not None and cached.is_valid(now):
        if now < cached.refresh_from:
            return cached.key
        # This request alone refreshes it. Once it has expired, every request would wait for the lookup.
        cached.refresh_from = cached.since + KEY_CACHE_TTL
    key = recognise_service_key(text=text, now=now)
    if key is None:
        _KEY_CACHE.pop(presented, None)
        return None
    if len(_KEY_CACHE) >= MOST_CACHED_KEYS:
        _KEY_CACHE.clear()
    _KEY_CACHE[presented] = _CachedKey(key, now, now + KEY_REFRESH_AFTER)
    return key


def _recognise(presented: Sequence[_PresentedKey]) -> list[ServiceKey | None]:
    public_ids = list({one.public_id for one in presented})
    rows = fetch_all(_FIND, public_ids)
    keys = {key.public_id: key for key in (ServiceKey.from_db("default", _FIELDS, row) for row in rows)}
    found = [_if_genuine(keys.get(one.public_id), one) for one in presented]
    _note_use({key.pk: key for key in found if key}.values(), now=max(one.at for one in presented))
    return found


def _if_genuine(key: ServiceKey | None, presented: _PresentedKey) -> ServiceKey | None:
    if key is None or not key.is_live(at=presented.at):
        return None
    return key if hmac.compare_digest(bytes(key.secret_sha256), presented.sha256) else None


# Requests that arrive at the same time look their keys up together.
_FIELDS = [field.attname for field in ServiceKey._meta.concrete_fields]
_FIND = f"SELECT {', '.join(_FIELDS)} FROM accounts_servicekey WHERE public_id = ANY(%s)"  # noqa: S608
_BATCHER = Batcher[_PresentedKey, ServiceKey | None](_recognise, work=Work.ADMISSION)


def _note_use(keys: Iterable[ServiceKey], *, now: dt.datetime) -> None:
    # Once a minute is enough to see which keys are in use, and spares a write on every request.
    for key in keys:
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY:
            ServiceKey.objects.filter(pk=key.pk).update(last_used_at=now)


@dataclass
class _CachedKey:
    key: ServiceKey
    since: dt.datetime
    refresh_from: dt.datetime  # by the first request from then on

    def is_valid(self, now: dt.datetime) -> bool:
        # A clock that is set back extends no entry.
        return self.since <= now < self.since + KEY_CACHE_TTL and self.key.is_live(at=now)


# By the SHA-256 of the whole text: the secret itself is stored nowhere.
_KEY_CACHE: dict[bytes, _CachedKey] = {}


def customer_codes(*, key: ServiceKey) -> set[str] | None:
    """Return the codes of the customers for whom a limited key may act, or None if for every customer."""
    return set(key.customers.values_list("code", flat=True)) if key.is_limited else None


def customer_ids(*, key: ServiceKey) -> frozenset[int] | None:
    """Return the keys of the customers for whom a limited key may act, or None if for every customer."""
    return frozenset(key.customers.values_list("pk", flat=True)) if key.is_limited else None


def revoke_service_key(*, key: ServiceKey, now: dt.datetime) -> None:
    """Refuse this key from now on; revoking twice keeps the first instant."""
    ServiceKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db(fields=["revoked_at"])


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
