"""The backend that `ENGINE` names (Django imports `<ENGINE>.base`)."""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Checks a pooled connection before use, without a round trip.

    psycopg_pool's own check costs one, and waits seconds between one broken connection and the next: after a
    restart of PostgreSQL all of them are broken.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection that the server has not ended since its last use."""
        connection = super().get_new_connection(conn_params)
        pool = self.pool
        while pool and ended_by_server(connection):
            connection.close()
            pool.putconn(connection)  # which opens another in its place
            connection = super().get_new_connection(conn_params)
        return connection


def ended_by_server(connection: "psycopg.Connection[Any]") -> bool:
    """Whether an idle connection was ended; a server that ends one sends a last message, or the end of file.

    A host that vanished sends nothing: that is found by the statement's own time limit, or by TCP.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
