"""A customer's pages of people: members see the list; owners invite, change roles and remove."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_keys.customer_access import customer_of_owner, customer_of_person, is_owner
from accounts.customer_page import customer_page
from accounts.models import Customer, Invitation, Member
from accounts.people.forms import InviteForm, NewAccountForm, RoleForm
from accounts.people.invitations import (
    InvitationRefused,
    accept,
    accept_as_new,
    find_invitation,
    invite,
    link_of,
    person_of,
    withdraw,
)
from accounts.people.members import LastOwner, change_role, remove_member
from accounts.sign_in.steps import finish_sign_in
from sensenova_billing.lib import clock


@never_cache
@login_required
@require_safe
def customer_people(request: HttpRequest, code: str) -> HttpResponse:
    """The members with their roles, and the invitations that were not accepted yet."""
    customer = customer_of_person(person=request.user, code=code)
    context = {
        "members": customer.members.select_related("user").order_by("user__email"),
        "invitations": customer.invitations.open(),
        "may_manage": is_owner(person=request.user, customer=customer),
        "now": clock.now(),
    }
    return customer_page(request, "people.html", customer, context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def invite_person(request: HttpRequest, code: str) -> HttpResponse:
    """Ask whom to invite as what; then mail the link, or show it once."""
    customer = customer_of_owner(person=request.user, code=code)
    form = InviteForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            return _invited(request, customer, **form.cleaned_data)
        except InvitationRefused as refusal:
            form.add_error(None, str(refusal))
    return customer_page(request, "invite.html", customer, {"form": form}, status=400 if form.errors else 200)


@never_cache
@login_required
@require_POST
def resend_invitation(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Make a new link, which makes the earlier one void; mail it, or show it once."""
    customer, invitation = _own_invitation(request, code, pk)
    try:
        return _invited(request, customer, email=invitation.email, role=invitation.role)
    except InvitationRefused as refusal:
        messages.error(request, str(refusal))
        return redirect("customer_people", customer.code)


@never_cache
@login_required
@require_POST
def withdraw_invitation(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Let the link work no more."""
    customer, invitation = _own_invitation(request, code, pk)
    withdraw(invitation=invitation, by=request.user.get_username(), now=clock.now())
    messages.success(
        request, gettext("The invitation of %(email)s is withdrawn.") % {"email": invitation.email}
    )
    return redirect("customer_people", customer.code)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_member(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Show a member; give another role."""
    customer, member = _own_member(request, code, pk)
    form = RoleForm(request.POST if request.method == "POST" else None, initial={"role": member.role})
    if form.is_valid():
        role = form.cleaned_data["role"]
        try:
            change_role(member=member, role=role, by=request.user.get_username())
        except LastOwner as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, gettext("The role of %(email)s is changed.") % {"email": member.user})
            return redirect("customer_people", customer.code)
    context = {"form": form, "member": member}
    return customer_page(request, "member.html", customer, context, status=400 if form.errors else 200)


@never_cache
@login_required
@require_POST
def remove_from_customer(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Let a member act for the customer no more."""
    customer, member = _own_member(request, code, pk)
    try:
        remove_member(member=member, by=request.user.get_username())
    except LastOwner as refusal:
        messages.error(request, str(refusal))
        return redirect("change_member", customer.code, pk)
    messages.success(request, gettext("%(email)s is removed.") % {"email": member.user})
    if member.user_id == request.user.pk:
        return redirect(settings.LOGIN_REDIRECT_URL)
    return redirect("customer_people", customer.code)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def accept_invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Let the invited person join: with the account that there is, or with a new one."""
    invitation = find_invitation(token=token, now=clock.now())
    if invitation is None:
        return render(request, "invitation_void.html", status=404)
    person = person_of(invitation)
    if person is None:
        return _accept_as_new(request, token, invitation)
    if request.method == "POST" and request.user.is_authenticated:
        try:
            accept(token=token, person=request.user, now=clock.now())
        except InvitationRefused as refusal:
            messages.error(request, str(refusal))
        else:
            return redirect(settings.LOGIN_REDIRECT_URL)
    context = {"invitation": invitation, "is_invited": request.user.pk == person.pk}
    return render(request, "invitation.html", context)


def _accept_as_new(request: HttpRequest, token: str, invitation: Invitation) -> HttpResponseBase:
    form = NewAccountForm(request.POST if request.method == "POST" else None, email=invitation.email)
    if form.is_valid():
        cleaned = form.cleaned_data
        try:
            person = accept_as_new(
                token=token, name=cleaned["name"], password=cleaned["password1"], now=clock.now()
            )
        except InvitationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return finish_sign_in(
                request, redirect(settings.LOGIN_REDIRECT_URL), person=person, now=clock.now()
            )
    return render(request, "invitation.html", {"invitation": invitation, "form": form})


def _invited(request: HttpRequest, customer: Customer, *, email: str, role: str) -> HttpResponse:
    by = request.user.get_username()
    invitation, token = invite(customer=customer, email=email, role=role, by=by, now=clock.now())
    if token:
        context = {"invitation": invitation, "link": link_of(request, token)}
        return customer_page(request, "invited.html", customer, context)
    messages.success(
        request, gettext("The invitation of %(email)s is mailed within a minute.") % {"email": email}
    )
    return redirect("customer_people", customer.code)


def _own_member(request: HttpRequest, code: str, pk: int) -> tuple[Customer, Member]:
    customer = customer_of_owner(person=request.user, code=code)
    return customer, get_object_or_404(Member.objects.select_related("user"), customer=customer, pk=pk)


def _own_invitation(request: HttpRequest, code: str, pk: int) -> tuple[Customer, Invitation]:
    customer = customer_of_owner(person=request.user, code=code)
    found = get_object_or_404(customer.invitations.open(), pk=pk)
    return customer, found
