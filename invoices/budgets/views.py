"""A customer's pages of budgets. Owners set, change and remove them; its other people see them."""

from typing import Any, NamedTuple

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.api_keys.customer_access import customer_of_owner, customer_of_person, is_owner
from accounts.customer_page import customer_page
from accounts.models import Customer
from invoices.budgets.changes import BudgetRefused, budgets_of, change_budget, remove_budget, set_budget
from invoices.budgets.forms import BudgetForm, BudgetTermsForm
from invoices.budgets.windows import PresentWindow, present_windows
from invoices.budgets.words import budget_in_words
from sensenova_billing.lib import clock
from usage.metadata import calls_in_words
from usage.models import Budget


class BudgetRow(NamedTuple):
    """A budget with its present window."""

    window: PresentWindow

    @property
    def budget(self) -> Budget:
        """The budget."""
        return self.window.budget

    @property
    def percent(self) -> int:
        """Whole percent of the amount that are used."""
        return int(self.window.used * 100 / self.budget.amount)

    @property
    def calls(self) -> str:
        """The value of metadata that its calls have."""
        return calls_in_words(self.budget.metadata_name, self.budget.metadata_value)

    @property
    def alerts(self) -> str:
        """The shares, in percent."""
        return ", ".join(str(percent) for percent in self.budget.alerts_at)


@never_cache
@login_required
@require_safe
def customer_budgets(request: HttpRequest, code: str) -> HttpResponse:
    """The budgets, and how far each is used in its present window."""
    customer = customer_of_person(person=request.user, code=code)
    context = {
        "rows": [BudgetRow(one) for one in present_windows(list(budgets_of(customer)), now=clock.now())],
        "may_manage": is_owner(person=request.user, customer=customer),
    }
    return customer_page(request, "budgets.html", customer, context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def add_budget(request: HttpRequest, code: str) -> HttpResponse:
    """Ask for a budget, and set it."""
    customer = customer_of_owner(person=request.user, code=code)
    form = BudgetForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            set_budget(
                customer=customer, **form.cleaned_data, by=request.user.get_username(), now=clock.now()
            )
        except BudgetRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, gettext("The budget is set."))
            return redirect("customer_budgets", customer.code)
    return _form_page(request, "add_budget.html", customer, form)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit_budget(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Ask for other terms of a budget."""
    customer = customer_of_owner(person=request.user, code=code)
    budget = get_object_or_404(budgets_of(customer), pk=pk)
    initial = {
        "amount": budget.amount,
        "alerts_at": ", ".join(str(percent) for percent in budget.alerts_at),
        "is_cap": budget.is_cap,
    }
    form = BudgetTermsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            change_budget(budget=budget, **form.cleaned_data, by=request.user.get_username(), now=clock.now())
        except BudgetRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, gettext("The budget is changed."))
            return redirect("customer_budgets", customer.code)
    return _form_page(request, "edit_budget.html", customer, form, words=budget_in_words(budget))


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete_budget(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Ask first, naming the consequence; then remove the budget."""
    customer = customer_of_owner(person=request.user, code=code)
    budget = get_object_or_404(budgets_of(customer), pk=pk)
    words = budget_in_words(budget)
    if request.method == "POST":
        try:
            remove_budget(budget=budget, by=request.user.get_username(), now=clock.now())
        except BudgetRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, gettext("The budget is removed: %(budget)s.") % {"budget": words})
        return redirect("customer_budgets", customer.code)
    return customer_page(request, "remove_budget.html", customer, {"budget": budget, "words": words})


def _form_page(
    request: HttpRequest, template: str, customer: Customer, form: Any, **context: Any
) -> HttpResponse:
    status = 400 if form.errors else 200
    return customer_page(request, template, customer, {"form": form, **context}, status=status)
