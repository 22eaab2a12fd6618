from decimal import Decimal
from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0021_balance_rules"),
        ("invoices", "0028_bank_imports"),
    ]

    operations = [
        migrations.CreateModel(
            name="OnlinePayment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "order_id",
                    models.UUIDField(help_text="By which the same order that is sent twice is one."),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20, verbose_name="amount (RMB)")),
                ("provider", models.CharField(max_length=20)),
                ("provider_id", models.CharField(blank=True, max_length=255)),
                ("checkout_url", models.TextField(blank=True)),
                ("expires_at", models.DateTimeField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("paid", "paid"),
                            ("failed", "failed"),
                            ("expired", "expired"),
                            ("mismatch", "another amount came"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("reference", models.CharField(blank=True, help_text="The provider's.", max_length=100)),
                ("received", models.DecimalField(decimal_places=2, max_digits=20, null=True)),
                ("received_currency", models.CharField(blank=True, max_length=10)),
                (
                    "refunded",
                    models.DecimalField(
                        decimal_places=2, default=Decimal("0"), max_digits=20, verbose_name="refunded (RMB)"
                    ),
                ),
                ("ordered_by", models.CharField(max_length=254)),
                ("ordered_at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="online_payments",
                        to="accounts.customer",
                    ),
                ),
                (
                    "statement",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="online_payments",
                        to="invoices.statement",
                    ),
                ),
                (
                    "transaction",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="online_payment",
                        to="invoices.accounttransaction",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="PaymentCallback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=20)),
                ("event_id", models.CharField(max_length=255)),
                ("kind", models.CharField(max_length=10)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                ("currency", models.CharField(max_length=10)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("applied", "applied"),
                            ("no_change", "nothing to change"),
                            ("mismatch", "another amount than ordered"),
                            ("unknown", "unknown order"),
                        ],
                        max_length=9,
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "payment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="callbacks",
                        to="invoices.onlinepayment",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.AddIndex(
            model_name="onlinepayment",
            index=models.Index(fields=["customer", "id"], name="online_payments_of_a_customer"),
        ),
        migrations.AddConstraint(
            model_name="onlinepayment",
            constraint=models.UniqueConstraint(
                models.F("order_id"), name="an_order_id_is_one_online_payment"
            ),
        ),
        migrations.AddConstraint(
            model_name="onlinepayment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("provider_id", ""), _negated=True),
                fields=("provider", "provider_id"),
                name="a_checkout_is_of_one_online_payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="onlinepayment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "paid"), ("transaction__isnull", False)),
                    models.Q(models.Q(("state", "paid"), _negated=True), ("transaction", None)),
                    _connector="OR",
                ),
                name="an_online_payment_is_booked_when_it_is_paid",
            ),
        ),
        migrations.AddConstraint(
            model_name="onlinepayment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gt", 0), ("refunded__gte", 0), ("refunded__lte", models.F("amount"))
                ),
                name="no_more_is_refunded_than_was_ordered",
            ),
        ),
        migrations.AddConstraint(
            model_name="onlinepayment",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "paid", "failed", "expired", "mismatch"])),
                name="an_online_payment_has_a_known_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentcallback",
            constraint=models.UniqueConstraint(
                models.F("provider"), models.F("event_id"), name="a_callback_is_recorded_once"
            ),
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
