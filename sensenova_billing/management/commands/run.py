"""`manage.py run`: the whole product with one command."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sensenova_billing.dev_server.data_directory import StartFailed, data_directory
from sensenova_billing.dev_server.proxy import find_proxy
from sensenova_billing.dev_server.secret_key import fault_of
from sensenova_billing.dev_server.supervisor import StartOptions, free_port, run
from sensenova_billing.environment import Environment


class Command(BaseCommand):
    help = "Run everything: PostgreSQL (unless DATABASE_URL is set), web server, worker and clock."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --no-demo."""
        parser.add_argument(
            "--no-demo", action="store_true", help="do not fill an empty database with a demo"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run until stopped; a start that is impossible ends with one line that gives the reason."""
        start = self._start_options(demo=not options["no_demo"])
        if fault := fault_of(settings.SECRET_KEY, address=start.address):
            raise CommandError(fault)
        try:
            run(start, self._print)
        except StartFailed as failure:
            raise CommandError(str(failure)) from failure
        except KeyboardInterrupt:
            return

    def _start_options(self, *, demo: bool) -> StartOptions:
        env = Environment()
        proxy = find_proxy()
        return StartOptions(
            directory=data_directory(),
            address=env.str("ADDRESS", default="127.0.0.1"),
            port=env.int("PORT", default=8000),
            own_database="DATABASE_URL" not in os.environ,
            demo=demo,
            connections=settings.WEB_CONNECTIONS,
            threads=settings.THREADS_BEHIND_PROXY if proxy else settings.WEB_CONNECTIONS,
            proxy=proxy,
            web_port=free_port(),
        )

    def _print(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
