"""The forms of services and aliases: a name is that of a service or an alias, never both."""

from django.utils.translation import gettext

from accounts.audit.audited_admin import OptionalReasonForm, RequiredReasonForm
from pricing.models import Service, ServiceAlias


class ServiceForm(OptionalReasonForm):
    """A service."""

    def clean_name(self) -> str:
        """Refuse what the database would refuse, with a text at the field."""
        name: str = self.cleaned_data["name"]
        alias = ServiceAlias.objects.select_related("service").filter(alias=name).first()
        if alias:
            text = gettext("%(name)s is an alias of %(service)s: remove the alias first.")
            self.add_error("name", text % {"name": name, "service": alias.service})
        return name


class ServiceAliasForm(RequiredReasonForm):
    """An alias."""

    def clean_alias(self) -> str:
        """Refuse what the database would refuse, with a text at the field."""
        alias: str = self.cleaned_data["alias"]
        if Service.objects.filter(name=alias).exists():
            text = gettext(
                "%(name)s is the name of a service, which comes first: as an alias it would never count."
            )
            self.add_error("alias", text % {"name": alias})
        return alias
