"""The forms of services and aliases: a name is that of a service or an alias, never both."""

from accounts.audit.audited_admin import OptionalReasonForm, RequiredReasonForm
from pricing.models import Service, ServiceAlias


class ServiceForm(OptionalReasonForm):
    """A service."""

    def clean_name(self) -> str:
        """Refuse what the database would refuse, with a text at the field."""
        name: str = self.cleaned_data["name"]
        alias = ServiceAlias.objects.select_related("service").filter(alias=name).first()
        if alias:
            self.add_error("name", f"{name} is an alias of {alias.service}: remove the alias first.")
        return name


class ServiceAliasForm(RequiredReasonForm):
    """An alias."""

    def clean_alias(self) -> str:
        """Refuse what the database would refuse, with a text at the field."""
        alias: str = self.cleaned_data["alias"]
        if Service.objects.filter(name=alias).exists():
            self.add_error(
                "alias",
                f"{alias} is the name of a service, which comes first: as an alias it would never count.",
            )
        return alias
