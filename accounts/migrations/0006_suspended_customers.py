from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_audit_entries_know_their_transaction")]

    operations = [
        migrations.AddField(
            "customer",
            "is_suspended",
            models.BooleanField(
                "suspended",
                default=False,
                help_text="If set, no call is admitted. Usage that is reported is billed all the same.",
            ),
        ),
    ]
