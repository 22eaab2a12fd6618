"""Browsers in which a person has signed in before, by a signed cookie: the device cookies of OWASP.

Failures of strangers do not lock a known device out, and a known device has a limit of its own
(accounts/sign_in/limits.py). The cookie names no person: it holds a keyed hash of each e-mail address that
signed in here, with a random id of the device for it.
"""

import datetime as dt
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac

COOKIE = "known_devices"
LASTS = dt.timedelta(days=400)  # browsers take no longer time
MOST_PEOPLE = 5  # who share a browser
_SALT = "accounts.known_devices"  # of the cookies that browsers hold, so it does not follow the module


def device_of(request: HttpRequest, *, email: str) -> str:
    """Return the id of this browser as a device of this person; nothing where it is not known."""
    return _devices(request).get(_hash(email), "")


def remember_device(request: HttpRequest, response: HttpResponseBase, *, email: str) -> None:
    """Make this browser a known device of a person who has just signed in."""
    devices = _devices(request)
    device = devices.pop(_hash(email), None) or secrets.token_urlsafe(12)
    newest = [*devices.items(), (_hash(email), device)][-MOST_PEOPLE:]
    response.set_cookie(
        COOKIE,
        signing.dumps(dict(newest), salt=_SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _devices(request: HttpRequest) -> dict[str, str]:
    try:
        found: dict[str, str] = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LASTS)
    except signing.BadSignature:
        return {}
    return found


def _hash(email: str) -> str:
    return salted_hmac(_SALT, email.lower(), algorithm="sha256").hexdigest()[:20]
