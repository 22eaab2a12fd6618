from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_invitations")]

    operations = [
        migrations.RunSQL(
            "SELECT audit_table('accounts_invitation', ignored => '{mail_after}', secret => '{secret_sha256}')",
            reverse_sql="SELECT audit_table_no_more('accounts_invitation')",
        )
    ]
