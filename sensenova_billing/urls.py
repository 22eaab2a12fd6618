"""Every page and the API, on one screen."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.admin import own_password
from accounts.customer_keys import views as customer_keys
from accounts.people import views as people
from accounts.preferences import views as preferences
from accounts.sign_in import views as sign_in
from accounts.views import SignInView, admin_sign_in, second_factor
from accounts.webhooks import views as webhooks
from invoices.account import views as account_views
from invoices.bank_import.admin import bank_import
from invoices.budgets import views as budgets
from invoices.budgets.api import BudgetsView
from invoices.documents import views as documents
from invoices.drilldown import views as drilldown
from invoices.drilldown.api import LineRecordsFileView, LineRecordsView, RecordView
from invoices.drilldown.record_admin import usage_record
from invoices.einvoices import views as einvoices
from invoices.onboarding_admin import onboard_page
from invoices.packages import views as packages
from invoices.packages.after_sale import views as after_sale
from invoices.packages.api import PackageDrawsView, PackagesView
from invoices.payments import views as payments
from invoices.portal import overview_views
from invoices.portal import views as invoices
from invoices.portal.view_as_admin import end_customer_view
from invoices.price_impact import package_admin, price_admin
from invoices.reconciliation.admin import reconciliation
from invoices.search_admin import admin_search
from invoices.statements import views as statements
from invoices.usage_report import views as usage_report
from invoices.usage_report.api import BillsView, BillView, ChargeLinesView, SealsView, UsageSummaryView
from pricing.catalogue.api import CatalogView, EstimatesView
from pricing.catalogue.views import customer_prices, prices
from pricing.files.admin import catalogue_csv, catalogue_import, catalogue_xlsx
from sensenova_billing.http import errors
from sensenova_billing.http.home import home
from sensenova_billing.http.language import choose_language
from sensenova_billing.http.usage_endpoint import UsageEndpoint
from sensenova_billing.monitoring.health import HealthView, ReadyView
from sensenova_billing.monitoring.metrics import MetricsView
from usage.clients.api import CloudEventsView, LagoBatchView, LagoEventView, LiteLLMView, TracesView
from usage.ingest.api import ReversalView
from usage.limits.admin import refused_calls
from usage.limits.api import CallsView, CallView, LimitsView
from usage.limits.views import customer_limits

urlpatterns = [
    # The busiest first: a path is compared with each of these in turn, and that is a fifth of such a request.
    path("api/v1/calls", CallsView.as_view(), name="api_calls"),
    path("api/v1/usage", UsageEndpoint.as_view(), name="api_usage"),
    path("healthz", HealthView.as_view(), name="healthz"),
    path("readyz", ReadyView.as_view(), name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    # Pages
    path("", home, name="home"),
    path("sign-in", SignInView.as_view(), name="sign_in"),
    path("sign-out", LogoutView.as_view(), name="sign_out"),
    path("language", choose_language, name="set_language"),
    path("password/forgotten", sign_in.forgot_password, name="forgot_password"),
    path("password/reset/<str:uid>/<str:token>", sign_in.reset_password, name="reset_password"),
    path("sign-in/code", second_factor, name="second_factor"),
    path("account/second-factor", sign_in.second_factor_settings, name="second_factor_settings"),
    path("account/second-factor/new", sign_in.confirm_second_factor, name="confirm_second_factor"),
    path("account/sessions", sign_in.sessions, name="sessions"),
    path("account/password", sign_in.change_password, name="change_password"),
    path("account", preferences.account, name="account"),
    path("invitations/<str:token>", people.accept_invitation, name="accept_invitation"),
    path("prices", prices, name="prices"),
    path("overview", overview_views.overview, name="overview"),
    path("customers/<str:code>", overview_views.customer_overview, name="customer_overview"),
    path(
        "customers/<str:code>/overview/now",
        overview_views.customer_overview_now,
        name="customer_overview_now",
    ),
    path(
        "customers/<str:code>/overview/alerts",
        overview_views.customer_overview_alerts,
        name="customer_overview_alerts",
    ),
    path("customers/<str:code>/bills", invoices.customer_bills, name="customer_bills"),
    path("customers/<str:code>/bills.csv", invoices.customer_bills_csv, name="customer_bills_csv"),
    path("customers/<str:code>/lines.csv", invoices.customer_lines_csv, name="customer_lines_csv"),
    path(
        "customers/<str:code>/bills/<str:month>.csv", documents.customer_month_csv, name="customer_month_csv"
    ),
    path(
        "customers/<str:code>/bills/<str:month>.xlsx",
        documents.customer_month_xlsx,
        name="customer_month_xlsx",
    ),
    path(
        "customers/<str:code>/bills/<str:month>.pdf", documents.customer_month_pdf, name="customer_month_pdf"
    ),
    path("customers/<str:code>/bills/<str:month>", documents.customer_month, name="customer_month"),
    path("customers/<str:code>/account", account_views.customer_account, name="customer_account"),
    path("customers/<str:code>/pay", payments.pay_online, name="pay_online"),
    path("customers/<str:code>/payments/<uuid:order_id>", payments.customer_payment, name="customer_payment"),
    path("payments/fake/<uuid:order_id>", payments.fake_checkout, name="fake_checkout"),
    path("payments/callbacks/<str:provider>", payments.payment_callback, name="payment_callback"),
    path("customers/<str:code>/einvoices", einvoices.customer_einvoices, name="customer_einvoices"),
    path("customers/<str:code>/einvoices/new", einvoices.request_new_einvoice, name="request_einvoice"),
    path("customers/<str:code>/einvoices/<int:pk>", einvoices.customer_einvoice, name="customer_einvoice"),
    path("customers/<str:code>/einvoices/<int:pk>/withdraw", einvoices.withdraw, name="withdraw_einvoice"),
    path("customers/<str:code>/statements", account_views.customer_statements, name="customer_statements"),
    path("customers/<str:code>/account.csv", account_views.customer_account_csv, name="customer_account_csv"),
    path("statements/<str:number>.focus.csv", statements.statement_focus, name="statement_focus"),
    path("statements/<str:number>.csv", statements.statement_csv, name="statement_csv"),
    path("statements/<str:number>.xlsx", statements.statement_xlsx, name="statement_xlsx"),
    path("statements/<str:number>.pdf", statements.statement_pdf, name="statement_pdf"),
    path("statements/<str:number>", statements.statement, name="statement"),
    path("customers/<str:code>/usage", usage_report.customer_usage, name="customer_usage"),
    path("customers/<str:code>/usage.csv", usage_report.customer_usage_csv, name="customer_usage_csv"),
    path("customers/<str:code>/usage.xlsx", usage_report.customer_usage_xlsx, name="customer_usage_xlsx"),
    path("customers/<str:code>/limits", customer_limits, name="customer_limits"),
    path("customers/<str:code>/packages", packages.customer_packages, name="customer_packages"),
    path("customers/<str:code>/packages/buy", packages.choose_product, name="choose_product"),
    path("customers/<str:code>/packages/buy/<int:pk>", packages.buy, name="buy_package"),
    path("customers/<str:code>/packages/notices/<int:pk>/dismiss", after_sale.dismiss, name="dismiss_notice"),
    path("customers/<str:code>/keys", customer_keys.customer_keys, name="customer_keys"),
    path("customers/<str:code>/keys/new", customer_keys.make_customer_key, name="make_customer_key"),
    path(
        "customers/<str:code>/keys/<str:public_id>/rotate",
        customer_keys.rotate_customer_key,
        name="rotate_customer_key",
    ),
    path(
        "customers/<str:code>/keys/<str:public_id>/revoke",
        customer_keys.revoke_customer_key,
        name="revoke_customer_key",
    ),
    path("customers/<str:code>/budgets", budgets.customer_budgets, name="customer_budgets"),
    path("customers/<str:code>/budgets/new", budgets.add_budget, name="add_budget"),
    path("customers/<str:code>/budgets/<int:pk>", budgets.edit_budget, name="edit_budget"),
    path("customers/<str:code>/budgets/<int:pk>/remove", budgets.delete_budget, name="remove_budget"),
    path("customers/<str:code>/webhooks", webhooks.customer_webhooks, name="customer_webhooks"),
    path("customers/<str:code>/webhooks/new", webhooks.add_webhook, name="add_webhook"),
    path("customers/<str:code>/webhooks/<int:pk>", webhooks.customer_webhook, name="customer_webhook"),
    path(
        "customers/<str:code>/webhooks/<int:pk>/events",
        webhooks.choose_webhook_events,
        name="choose_webhook_events",
    ),
    path(
        "customers/<str:code>/webhooks/<int:pk>/rotate",
        webhooks.rotate_webhook_secret,
        name="rotate_webhook_secret",
    ),
    path("customers/<str:code>/webhooks/<int:pk>/remove", webhooks.remove_webhook, name="remove_webhook"),
    path("customers/<str:code>/webhooks/<int:pk>/disable", webhooks.disable_webhook, name="disable_webhook"),
    path("customers/<str:code>/webhooks/<int:pk>/enable", webhooks.enable_webhook, name="enable_webhook"),
    path("customers/<str:code>/webhooks/<int:pk>/test", webhooks.test_webhook, name="test_webhook"),
    path(
        "customers/<str:code>/webhooks/<int:pk>/deliveries/<int:delivery>",
        webhooks.webhook_delivery,
        name="webhook_delivery",
    ),
    path(
        "customers/<str:code>/webhooks/<int:pk>/deliveries/<int:delivery>/resend",
        webhooks.resend_webhook,
        name="resend_webhook",
    ),
    path("customers/<str:code>/people", people.customer_people, name="customer_people"),
    path("customers/<str:code>/people/invite", people.invite_person, name="invite_person"),
    path("customers/<str:code>/people/<int:pk>", people.change_member, name="change_member"),
    path(
        "customers/<str:code>/people/<int:pk>/remove",
        people.remove_from_customer,
        name="remove_from_customer",
    ),
    path(
        "customers/<str:code>/invitations/<int:pk>/resend", people.resend_invitation, name="resend_invitation"
    ),
    path(
        "customers/<str:code>/invitations/<int:pk>/withdraw",
        people.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("customers/<str:code>/settings", preferences.customer_settings, name="customer_settings"),
    path("customers/<str:code>/prices", customer_prices, name="customer_prices"),
    path("customers/<str:code>/records", drilldown.customer_record, name="customer_record"),
    path("bills/<str:number>/lines/<int:pk>", drilldown.charge_line, name="charge_line"),
    path("bills/<str:number>/lines/<int:pk>/records.csv", drilldown.charge_line_csv, name="charge_line_csv"),
    path("bills/<str:number>/lines.csv", invoices.bill_csv, name="bill_csv"),
    path("bills/<str:number>/print", documents.bill_print, name="bill_print"),
    path("bills/<str:number>", invoices.bill, name="bill"),
    path("packages/<str:number>/draws.csv", packages.package_draws_csv, name="package_draws_csv"),
    path("packages/<str:number>/refund", after_sale.refund, name="refund_package"),
    path("packages/<str:number>/renewal", after_sale.set_renewal, name="set_renewal"),
    path("packages/<str:number>", packages.package, name="customer_package"),
    # The API
    path("api/v1/catalog", CatalogView.as_view(), name="api_catalog"),
    path("api/v1/estimates", EstimatesView.as_view(), name="api_estimates"),
    path("api/v1/calls/<path:call_id>", CallView.as_view(), name="api_call"),
    path("api/v1/limits", LimitsView.as_view(), name="api_limits"),
    path("api/v1/reversals", ReversalView.as_view(), name="api_reversals"),
    path("api/v1/events", CloudEventsView.as_view(), name="api_events"),
    path("api/v1/litellm", LiteLLMView.as_view(), name="api_litellm"),
    path("api/v1/records", RecordView.as_view(), name="api_record"),
    path("api/v1/usage/summary", UsageSummaryView.as_view(), name="api_usage_summary"),
    path("api/v1/bills", BillsView.as_view(), name="api_bills"),
    path("api/v1/bills/<str:number>", BillView.as_view(), name="api_bill"),
    path("api/v1/charge-lines", ChargeLinesView.as_view(), name="api_charge_lines"),
    path("api/v1/charge-lines/<int:id>/records", LineRecordsView.as_view(), name="api_line_records"),
    path("api/v1/budgets", BudgetsView.as_view(), name="api_budgets"),
    path("api/v1/seals", SealsView.as_view(), name="api_seals"),
    path("api/v1/packages", PackagesView.as_view(), name="api_packages"),
    path("api/v1/packages/<str:number>/draws", PackageDrawsView.as_view(), name="api_package_draws"),
    path(
        "api/v1/charge-lines/<int:id>/records.csv",
        LineRecordsFileView.as_view(),
        name="api_line_records_csv",
    ),
    path("lago/api/v1/events", LagoEventView.as_view(), name="lago_event"),
    path("lago/api/v1/events/batch", LagoBatchView.as_view(), name="lago_batch"),
    path("v1/traces", TracesView.as_view(), name="otlp_traces"),
    path("api/schema", SpectacularAPIView.as_view(permission_classes=[]), name="api_schema"),
    path(
        "api/docs",
        SpectacularSwaggerSplitView.as_view(url_name="api_schema", permission_classes=[]),
        name="api_docs",
    ),
    # The admin
    path("admin/bank-import", admin.site.admin_view(bank_import), name="bank_import"),
    path("admin/reconciliation", admin.site.admin_view(reconciliation), name="reconciliation"),
    path("admin/usage-records", admin.site.admin_view(usage_record), name="usage_record"),
    path("admin/refused-calls", admin.site.admin_view(refused_calls), name="refused_calls"),
    path("admin/search", admin.site.admin_view(admin_search), name="admin_search"),
    path("admin/customers/onboard", admin.site.admin_view(onboard_page), name="onboard_customer"),
    path("admin/end-customer-view", admin.site.admin_view(end_customer_view), name="end_customer_view"),
    path("admin/login/", admin_sign_in, name="admin_sign_in"),
    path("admin/password_change/", admin.site.admin_view(own_password), name="own_password"),
    path("admin/prices/change", admin.site.admin_view(price_admin.change_price), name="change_price"),
    path("admin/prices/offer", admin.site.admin_view(price_admin.announce_offer), name="announce_offer"),
    path("admin/prices/trial", admin.site.admin_view(price_admin.start_trial), name="start_trial"),
    path("admin/prices/end", admin.site.admin_view(price_admin.end_price), name="end_price"),
    path(
        "admin/prices/take-back",
        admin.site.admin_view(price_admin.take_back_announcement),
        name="take_back_announcement",
    ),
    path("admin/prices/copy", admin.site.admin_view(price_admin.copy_prices), name="copy_prices"),
    path("admin/prices/put-on-sale", admin.site.admin_view(price_admin.put_on_sale), name="put_on_sale"),
    path("admin/packages/sell", admin.site.admin_view(package_admin.sell_package), name="sell_package"),
    path("admin/packages/end", admin.site.admin_view(package_admin.end_terms), name="end_terms"),
    path("admin/packages/cancel", admin.site.admin_view(package_admin.cancel_terms), name="cancel_terms"),
    path("admin/catalogue/export.csv", admin.site.admin_view(catalogue_csv), name="catalogue_csv"),
    path("admin/catalogue/export.xlsx", admin.site.admin_view(catalogue_xlsx), name="catalogue_xlsx"),
    path("admin/catalogue/import", admin.site.admin_view(catalogue_import), name="catalogue_import"),
    path("admin/", admin.site.urls),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
