from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [
        ("invoices", "0003_corrections"),
        ("usage", "0002_append_only"),
    ]

    operations = [
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(),
            reverse_sql=HERE.with_suffix(".reverse.sql").read_text(),
            state_operations=[
                migrations.AlterField(
                    model_name="hourlybill",
                    name="sealed_in",
                    field=models.ForeignKey(
                        help_text="The hour with whose closing it was issued; a later one if it was parked.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sealed_bills",
                        to="usage.billinghour",
                    ),
                ),
            ],
        )
    ]
