"""Mail with a link that only its reader may have: whether it can be sent, and sending it."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation

logger = logging.getLogger(__name__)
NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"


def is_mail_set_up() -> bool:
    """Whether mail can be sent and its links lead to this site."""
    return bool(settings.EMAIL_BACKEND != NO_MAIL and settings.PUBLIC_URL)


def mail_link(
    *, to: str, subject: str, template: str, path: str, language: str = "", **context: object
) -> bool:
    """Mail a link to this path of the site; return whether the mail server took it."""
    with translation.override(language or settings.LANGUAGE_CODE):
        link = settings.PUBLIC_URL.rstrip("/") + path
        body = render_to_string(template, {"link": link, **context})
        message = EmailMessage(subject=str(subject), body=body, to=[to])
    try:
        message.send()
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("A mail with a link was not sent: %s", type(error).__name__)
        return False
    return True
