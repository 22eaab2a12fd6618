"""An authenticator app, and a person who has set one up."""

import time

from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.sign_in.second_factor import begin, confirm


def code_of(person: User) -> str:
    """The code that the person's app shows now, or the next one if that has been used: each counts once.

    The server takes a neighbouring code too, so this one is right for half a minute at least.
    """
    device = TOTPDevice.objects.filter(user=person).order_by("pk").last()
    assert device is not None
    app = TOTP(device.bin_key)
    app.time = time.time()
    app.drift = max(0, device.last_t + 1 - app.t())
    return f"{app.token():06d}"


def set_up(person: User) -> list[str]:
    """Switch the second factor on for this person, and return the recovery codes."""
    begin(person)
    return confirm(person, code_of(person))
