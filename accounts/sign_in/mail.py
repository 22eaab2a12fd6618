"""Mail with a link that only its reader may have: whether it can be sent, and sending it."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise

from sensenova_billing.lib.mail import is_mail_sent, site_url

logger = logging.getLogger(__name__)


def is_mail_set_up() -> bool:
    """Whether mail can be sent and its links lead to this site."""
    return bool(is_mail_sent() and settings.PUBLIC_URL)


def mail_link(
    *, to: str, subject: str | Promise, template: str, path: str, language: str = "", **context: object
) -> bool:
    """Mail a link to this path of the site, in this language; return whether the mail server took it."""
    with translation.override(language or settings.LANGUAGE_CODE):
        body = render_to_string(template, {"link": site_url(path), **context})
        message = EmailMessage(subject=str(subject), body=body, to=[to])
    try:
        message.send()
    except OSError as error:  # smtplib's exceptions are among them
        # Not what the server answered: that may name people.
        logger.warning("A mail with a link was not sent: %s", type(error).__name__)
        return False
    return True
