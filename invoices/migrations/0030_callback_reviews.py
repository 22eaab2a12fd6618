from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [
        ("invoices", "0029_online_payments"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallbackReview",
            fields=[
                (
                    "callback",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="review",
                        serialize=False,
                        to="invoices.paymentcallback",
                    ),
                ),
                ("text", models.TextField()),
                ("by", models.CharField(max_length=254)),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ("-callback_id",),
            },
        ),
        migrations.AddConstraint(
            model_name="callbackreview",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), _negated=True), name="a_callback_review_has_a_text"
            ),
        ),
        migrations.AddIndex(
            model_name="paymentcallback",
            index=models.Index(
                condition=models.Q(("outcome", "mismatch")), fields=["id"], name="callbacks_that_differ"
            ),
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
