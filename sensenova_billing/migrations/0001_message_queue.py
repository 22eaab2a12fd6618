"""The message queue (pgmq) in our own database: Celery needs no other server."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from pgmq.install import get_embedded_install_sql


def install_message_queue(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Install pgmq, unless the database has it already, as an extension or from an earlier installation."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pgmq.meta') IS NULL")
        if cursor.fetchone()[0]:
            cursor.execute(get_embedded_install_sql())


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []

    operations = [
        # Backwards nothing is removed: messages may be waiting, and a second installation is skipped.
        migrations.RunPython(install_message_queue, migrations.RunPython.noop),
    ]
