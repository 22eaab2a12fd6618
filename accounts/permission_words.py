"""Permissions in the language of the page; their names are stored, in English."""

from django.contrib.auth.models import Permission
from django.utils.translation import gettext, gettext_noop

# What Django names so, with the name of a model behind it.
_ACTIONS = {
    "Can add ": gettext_noop("Can add %(model)s"),
    "Can change ": gettext_noop("Can change %(model)s"),
    "Can delete ": gettext_noop("Can delete %(model)s"),
    "Can view ": gettext_noop("Can view %(model)s"),
}


def permission_words(permission: Permission) -> str:
    """Return e.g. `Accounts | customer | Can add customer`."""
    model = permission.content_type.model_class()
    if model is None:
        return str(permission)
    app, called = gettext(str(model._meta.app_config.verbose_name)), gettext(str(model._meta.verbose_name))
    name = gettext(permission.name)
    for start, sentence in _ACTIONS.items():
        if permission.name.startswith(start):
            name = gettext(sentence) % {"model": called}
    return f"{app} | {called} | {name}"
