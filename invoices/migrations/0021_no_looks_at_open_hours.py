"""What open hours come to for their alarms is summed up as running hours: no looks of their own."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("invoices", "0020_metadata_usage")]

    operations = [migrations.DeleteModel(name="OpenHourLook")]
