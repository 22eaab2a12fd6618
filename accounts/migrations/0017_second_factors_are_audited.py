from django.db import migrations

# What is left out changes with every code, and is no decision.
_USE = "last_used_at, throttling_failure_timestamp, throttling_failure_count"
_TABLES = ("otp_totp_totpdevice", "otp_static_staticdevice", "otp_static_statictoken")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0016_password_resets"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
    ]

    operations = [
        migrations.RunSQL(
            [
                f"SELECT audit_table('otp_totp_totpdevice', ignored => '{{{_USE}, last_t, drift}}', secret => '{{key}}')",
                f"SELECT audit_table('otp_static_staticdevice', ignored => '{{{_USE}}}')",
                "SELECT audit_table('otp_static_statictoken', secret => '{token}')",
            ],
            reverse_sql=[f"SELECT audit_table_no_more('{table}')" for table in _TABLES],
        )
    ]
