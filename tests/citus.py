"""The database of the tests on Citus: on the coordinator that CITUS_DATABASE_URL names, and on its workers.

The whole run is on it then, with usage records distributed. It is made and dropped by this run.
"""

import os

URL = os.environ.get("CITUS_DATABASE_URL", "")
WHY_SKIPPED = (
    "CITUS_DATABASE_URL is not set: it names a database with Citus and its workers (docs/scaling.md)"
)
SHARDS = 4
