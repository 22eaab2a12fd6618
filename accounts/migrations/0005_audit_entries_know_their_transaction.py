from pathlib import Path

from django.db import migrations, models
from django.db.models import F

HERE = Path(__file__)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_audited")]

    operations = [
        migrations.AddField(
            "auditentry",
            "transaction",
            models.BigIntegerField(
                null=True,
                help_text="What was changed by one deed has one; entries from before there was one have none.",
            ),
        ),
        migrations.AddIndex("auditentry", models.Index(F("transaction"), name="entries_of_a_transaction")),
        migrations.RunSQL(
            HERE.with_suffix(".sql").read_text(), reverse_sql=HERE.with_suffix(".reverse.sql").read_text()
        ),
    ]
