from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

KINDS = [
    ("statement", "statement"),
    ("payment", "payment"),
    ("refund", "refund"),
    ("credit", "credit"),
    ("charge", "charge"),
    ("write_off", "write-off"),
    ("chargeback", "chargeback"),
    ("chargeback_reversal", "chargeback reversal"),
]
STATES = [
    ("needs_response", "waits for evidence"),
    ("under_review", "under review"),
    ("closed", "closed without a decision"),
    ("lost", "lost by the seller"),
    ("won", "won by the seller"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("invoices", "0030_callback_reviews"),
    ]

    operations = [
        migrations.AlterField(
            model_name="accounttransaction",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=19),
        ),
        migrations.RemoveConstraint(model_name="accounttransaction", name="a_transaction_is_of_a_known_kind"),
        migrations.AddConstraint(
            model_name="accounttransaction",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", [kind for kind, _ in KINDS])),
                name="a_transaction_is_of_a_known_kind",
            ),
        ),
        migrations.CreateModel(
            name="PaymentDispute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dispute_id", models.CharField(help_text="The provider's.", max_length=255)),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20, verbose_name="amount (RMB)")),
                (
                    "reason",
                    models.CharField(blank=True, help_text="The provider's word.", max_length=100),
                ),
                ("state", models.CharField(choices=STATES, max_length=14)),
                ("stated_at", models.DateTimeField(help_text="When the provider described it so.")),
                (
                    "evidence_by",
                    models.DateTimeField(help_text="Until when evidence is accepted.", null=True),
                ),
                (
                    "withdrawn",
                    models.DecimalField(
                        decimal_places=2, default=Decimal("0"), max_digits=20, verbose_name="withdrawn (RMB)"
                    ),
                ),
                (
                    "reinstated",
                    models.DecimalField(
                        decimal_places=2, default=Decimal("0"), max_digits=20, verbose_name="reinstated (RMB)"
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="disputes",
                        to="invoices.onlinepayment",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.AddIndex(
            model_name="paymentdispute",
            index=models.Index(
                condition=models.Q(("state", "needs_response")),
                fields=["evidence_by"],
                name="disputes_that_wait",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentdispute",
            constraint=models.UniqueConstraint(
                models.F("payment"), models.F("dispute_id"), name="a_dispute_of_a_payment_is_stored_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentdispute",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", [state for state, _ in STATES])),
                name="a_dispute_has_a_known_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentdispute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__gte", 0),
                    ("reinstated__gte", 0),
                    ("withdrawn__gte", 0),
                    ("amount__gt", Decimal("-1E+30")),
                    ("amount__lt", Decimal("1E+30")),
                ),
                name="a_dispute_has_amounts",
            ),
        ),
    ]
