"""Forms for packages that were bought."""

import datetime as dt

from django import forms
from django.utils.translation import gettext_lazy as _

from invoices.packages.after_sale.refund import RefundChanged, RefundRefused, order_refund
from pricing.changes.base_form import UtcInstantField
from pricing.models import QuotaPackage

# In local time the page says when it would end now; the refusal would say it in UTC.
CHANGED = _("Nothing was refunded: the package would end at another hour by now. Check what follows.")
INCOMPLETE = _("Nothing was refunded. The page was sent incomplete. Check it again, then refund.")


class RenewalForm(forms.Form):
    """Whether a package is renewed when it ends."""

    renewal = forms.ChoiceField(choices=[("on", _("on")), ("off", _("off"))])


class RefundForm(forms.Form):
    """A refund as it was shown: when the package ends."""

    ends_at = UtcInstantField(widget=forms.HiddenInput)

    def order(self, *, package: QuotaPackage, by: str, now: dt.datetime) -> int:
        """Order it, if it still is what was shown; return the HTTP status, a refusal is on the form then."""
        if not self.is_valid():
            self.add_error(None, INCOMPLETE)
            return 400
        try:
            order_refund(package=package, **self.cleaned_data, by=by, now=now)
        except RefundChanged:
            self.add_error(None, CHANGED)
            return 409
        except RefundRefused as refusal:
            self.add_error(None, _("Nothing was refunded. %(reason)s") % {"reason": refusal})
            return 400
        return 200
