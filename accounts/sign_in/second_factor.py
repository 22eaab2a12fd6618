"""The second factor, by django-otp: codes of an authenticator app (RFC 6238), and recovery codes.

Of a recovery code a keyed hash is stored, in the column that django-otp has for the code. The key of an
authenticator app has to be stored as it is: codes are computed from it.
"""

import secrets

import segno
from django.utils.crypto import salted_hmac
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.audit.context import audit_context
from accounts.models import User

RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read as something else
_LENGTH = 12  # 59 random bits
_SALT = "accounts.recovery_codes"  # of hashes that are stored, so it does not follow the module


def has_second_factor(person: User) -> bool:
    """Whether a code is required after the person's password."""
    return bool(TOTPDevice.objects.filter(user=person, confirmed=True).exists())


def codes_left(person: User) -> int:
    """Return how many recovery codes the person still has."""
    device = StaticDevice.objects.filter(user=person).first()
    return device.token_set.count() if device else 0


def begin(person: User) -> None:
    """Make a key for an authenticator app, which counts once a code of it was entered."""
    with audit_context(by=person.email):
        TOTPDevice.objects.filter(user=person, confirmed=False).delete()
        TOTPDevice.objects.create(user=person, name="TOTP", confirmed=False)


def begun(person: User) -> TOTPDevice | None:
    """Return the key that waits for its first code."""
    return TOTPDevice.objects.filter(user=person, confirmed=False).order_by("pk").last()


def qr_code(device: TOTPDevice) -> str:
    """Return the picture that an authenticator app reads, as a data URI; black on white in any scheme."""
    return str(segno.make(device.config_url).svg_data_uri(scale=5, light="#ffffff"))


def typed_key(device: TOTPDevice) -> str:
    """Return the key in groups, for typing it."""
    key = device.config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(key[start : start + 4] for start in range(0, len(key), 4))


def confirm(person: User, code: str) -> list[str]:
    """Switch it on if this is a code of the key that waits; return the recovery codes, or none."""
    with audit_context(by=person.email):
        waiting = TOTPDevice.objects.select_for_update(no_key=True).filter(user=person, confirmed=False)
        device = waiting.order_by("pk").last()
        if device is None or not _is_right(device, _plain(code)):
            return []
        TOTPDevice.objects.filter(user=person, confirmed=True).delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        return _new_codes(person)


def renew_codes(person: User) -> list[str]:
    """Return new recovery codes; the earlier ones are void."""
    with audit_context(by=person.email):
        return _new_codes(person)


def remove_second_factor(person: User, *, by: str, reason: str = "") -> None:
    """Require no code any more."""
    with audit_context(by=by, reason=reason):
        TOTPDevice.objects.filter(user=person).delete()
        StaticDevice.objects.filter(user=person).delete()


def is_right_code(person: User, text: str) -> bool:
    """Whether this is a code of the person's app, or a recovery code; either counts once."""
    code = _plain(text)
    with audit_context(by=person.email, reason="Signed in with a code."):
        model = StaticDevice if len(code) == _LENGTH else TOTPDevice
        # Locked: of two who send one code at once, one is right.
        device = model.objects.select_for_update(no_key=True).filter(user=person, confirmed=True).first()
        if device is None:
            return False
        return bool(device.verify_token(_hashed(code))) if model is StaticDevice else _is_right(device, code)


def _is_right(device: TOTPDevice, code: str) -> bool:
    return code.isascii() and code.isdecimal() and len(code) == device.digits and device.verify_token(code)


def _new_codes(person: User) -> list[str]:
    StaticDevice.objects.filter(user=person).delete()
    device = StaticDevice.objects.create(user=person, name="recovery codes")
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(RECOVERY_CODES)]
    for code in codes:
        device.token_set.create(token=_hashed(code))
    return ["-".join(code[start : start + 4] for start in range(0, _LENGTH, 4)) for code in codes]


def _plain(text: str) -> str:
    return text.replace(" ", "").replace("-", "").lower()


def _hashed(code: str) -> str:
    # As many characters as the column has: 64 bits of a code that has 59.
    return salted_hmac(_SALT, code, algorithm="sha256").hexdigest()[:16]
