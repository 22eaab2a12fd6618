from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from usage.distribution.cluster import Cluster
from usage.distribution.distribute import CannotDistribute, count_records, distribute, ready_cluster

SHARDS = 8


class Command(BaseCommand):
    help = "Distributes usage records over the workers of Citus. Repeated, it says how they are distributed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--shards", type=int, default=SHARDS, help="Into how many parts they are divided (%(default)s)."
        )
        parser.add_argument("--plan", action="store_true", help="Say what would be done, and stop.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cluster = ready_cluster()
            if cluster.is_distributed:
                self._say(cluster)
                return
            self._plan(cluster, shards=options["shards"])
            if not options["plan"]:
                done = distribute(shards=options["shards"])
                self.stdout.write(f"{done.records:,} records were moved in {done.seconds:.1f} s.")
                self._say(done.cluster)
        except CannotDistribute as error:
            raise CommandError(str(error)) from error

    def _plan(self, cluster: Cluster, *, shards: int) -> None:
        takers = [worker.address for worker in cluster.workers if worker.takes_shards]
        self.stdout.write(
            f"{count_records():,} usage records will be moved to {len(takers)} workers "
            f"({', '.join(takers)}), in {shards} shards by their customer, with every constraint and the "
            "trigger that keeps them.\n"
            "Reports, closings and pages of usage wait meanwhile. Everything else stays on this server."
        )

    def _say(self, cluster: Cluster) -> None:
        self.stdout.write(f"Usage records are in {cluster.shards} shards; each refuses every change:")
        for worker in cluster.workers:
            self.stdout.write(f"  {worker.address}: {worker.shards} shards")
        if any(worker.takes_shards and not worker.shards for worker in cluster.workers):
            self.stdout.write("A worker holds none yet: SELECT citus_rebalance_start() moves some to it.")
