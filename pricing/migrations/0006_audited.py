from pathlib import Path

from django.db import migrations

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_audited"), ("pricing", "0005_proposals")]

    operations = [
        migrations.AlterModelOptions(
            name="price",
            options={
                "ordering": ("billing_item", "begins_at", "id"),
                "permissions": (("approve_price", "Can approve price changes"),),
            },
        ),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
