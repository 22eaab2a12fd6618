from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [
        ("invoices", "0027_adjustments"),
    ]

    operations = [
        migrations.CreateModel(
            name="BankImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file_name", models.CharField(max_length=200)),
                ("file_digest", models.CharField(help_text="SHA-256 of the file.", max_length=64)),
                ("rows", models.PositiveIntegerField(help_text="Bookings in the file.")),
                ("payments", models.PositiveIntegerField(help_text="Those that were booked.")),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20, verbose_name="amount (RMB)")),
                ("by", models.CharField(max_length=254)),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__gt", 0), ("payments__gte", 1), ("rows__gte", models.F("payments"))
                        ),
                        name="an_import_books_a_payment_or_more",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportedPayment",
            fields=[
                (
                    "transaction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="imported",
                        serialize=False,
                        to="invoices.accounttransaction",
                    ),
                ),
                ("line", models.PositiveIntegerField()),
                (
                    "bank_import",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="imported",
                        to="invoices.bankimport",
                    ),
                ),
            ],
            options={
                "ordering": ("line",),
                "constraints": [
                    models.UniqueConstraint(
                        models.F("bank_import"), models.F("line"), name="a_line_of_an_import_is_one_payment"
                    )
                ],
            },
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
