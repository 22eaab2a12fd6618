"""The steps of signing in: the password, the second factor where there is one, and only then a session.

Between them the session stays anonymous; for some minutes it remembers the person with the right password.
"""

import datetime as dt

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth import login, signals
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.sign_in.known_devices import remember_device
from accounts.sign_in.language import remember_language
from accounts.sign_in.limits import account_of_codes
from accounts.sign_in.second_factor import is_right_code
from accounts.sign_in.sessions import note_origin

BACKEND = "django.contrib.auth.backends.ModelBackend"
WAITS = dt.timedelta(minutes=10)
_PENDING = "second_factor_due"


class SecondFactorDue(Exception):
    """The password is right, and a code is required next."""

    def __init__(self, person: User) -> None:
        super().__init__()
        self.person = person


def ask_for_code(
    request: HttpRequest, *, person: User, destination: str, now: dt.datetime
) -> HttpResponseBase:
    """Remember the person with the right password, and redirect to the page of the code."""
    request.session[_PENDING] = {
        "person": person.pk,
        "password": person.get_session_auth_hash(),  # so that a change of the password ends this too
        "until": (now + WAITS).isoformat(),
        "destination": destination,
    }
    return redirect("second_factor")


def waiting_for_code(request: HttpRequest, *, now: dt.datetime) -> tuple[User, str] | None:
    """Return the person that a code is due from, and the destination; None without a recent password."""
    pending = request.session.get(_PENDING)
    if pending is None or dt.datetime.fromisoformat(pending["until"]) <= now:
        return None
    person = User.objects.filter(pk=pending["person"], is_active=True).first()
    if person is None or not constant_time_compare(person.get_session_auth_hash(), pending["password"]):
        return None
    return person, pending["destination"]


def check_code(request: HttpRequest, *, person: User, code: str) -> bool:
    """Whether the code is right; wrong ones are limited as wrong passwords are, and lock as they do."""
    credentials = {"username": account_of_codes(person.email)}
    if not AxesProxyHandler.is_allowed(request, credentials):
        request.axes_locked_out = True  # type: ignore[attr-defined]
        request.axes_credentials = {"username": person.email}  # type: ignore[attr-defined]
        return False
    if is_right_code(person, code):
        AxesProxyHandler.reset_attempts(username=credentials["username"])
        return True
    signals.user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return False


def finish_sign_in(
    request: HttpRequest, response: HttpResponseBase, *, person: User, now: dt.datetime
) -> HttpResponseBase:
    """Sign the person in, and know this browser from now on."""
    login(request, person, backend=BACKEND)
    request.session.pop(_PENDING, None)
    note_sign_in(request, response, person=person, now=now)
    return response


def note_sign_in(request: HttpRequest, response: HttpResponseBase, *, person: User, now: dt.datetime) -> None:
    """Remember what a sign-in leaves behind: its origin, a known browser, and the person's language there."""
    note_origin(request, now=now)
    remember_device(request, response, email=person.email)
    remember_language(response, person)
