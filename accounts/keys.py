"""Make, recognise and revoke service keys.

A key reads `sk_live_<public id>_<secret>`. The public id finds the row; the secret has 256 random bits,
so a plain SHA-256 keeps it (OWASP ASVS 5.0, 6.5.2). The whole key is shown once, when it is made.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets

from accounts.models import ServiceKey

KEY_FORM = re.compile(r"sk_live_([a-z0-9]{8,16})_([A-Za-z0-9_-]{43})", re.ASCII)


def issue_service_key(*, name: str, expires_at: dt.datetime | None = None) -> tuple[ServiceKey, str]:
    """Make a key and return its row with the full text, which cannot be shown again."""
    secret = secrets.token_urlsafe(32)
    key = ServiceKey.objects.create(
        name=name, public_id=secrets.token_hex(6), secret_sha256=_digest(secret), expires_at=expires_at
    )
    return key, f"{key.prefix}_{secret}"


def recognise_service_key(*, text: str, now: dt.datetime) -> ServiceKey | None:
    """Return the live key that this text is, or None; reads the database, so a revoked key fails at once."""
    match = KEY_FORM.fullmatch(text)
    if match is None:
        return None
    public_id, secret = match.groups()
    key = ServiceKey.objects.live(at=now).filter(public_id=public_id).first()
    if key is None or not hmac.compare_digest(bytes(key.secret_sha256), _digest(secret)):
        return None
    return key


def revoke_service_key(*, key: ServiceKey, now: dt.datetime) -> None:
    """Refuse this key from now on; revoking twice keeps the first instant."""
    ServiceKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db(fields=["revoked_at"])


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
