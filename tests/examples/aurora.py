"""Two PostgreSQL servers that answer as the two instances of an Aurora global database do.

The driver asks Aurora's own functions who is the writer. Here they are SQL functions, which are replicated with the
rest, and answer by the server that they run on: a server that recovers is a reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import URL, make_url

from tests.support.postgres import Postgres, Standby

FIRST, SECOND = "us-east-1", "eu-west-1"
INSTANCES = {FIRST: "127.0.0.1", SECOND: "localhost"}  # two names of one machine: the driver tells instances by them
_FUNCTIONS = (
    """CREATE FUNCTION pg_catalog.aurora_db_instance_identifier() RETURNS text LANGUAGE sql AS
    $$ SELECT CASE current_setting('port')::int WHEN {port} THEN '{first}' ELSE '{second}' END $$""",
    """CREATE FUNCTION pg_catalog.aurora_global_db_instance_status()
    RETURNS TABLE(server_id text, session_id text, visibility_lag_in_msec float, aws_region text) LANGUAGE sql AS
    $$ SELECT id, CASE WHEN (id = pg_catalog.aurora_db_instance_identifier()) <> pg_catalog.pg_is_in_recovery()
                       THEN 'MASTER_SESSION_ID' ELSE id END, 0, region
       FROM (VALUES ('{first}', '{first_region}'), ('{second}', '{second_region}')) AS instances(id, region) $$""",
    """CREATE FUNCTION pg_catalog.aurora_replica_status()
    RETURNS TABLE(server_id text, session_id text, cpu float, replica_lag_in_msec float,
                  last_update_timestamp timestamptz) LANGUAGE sql AS
    $$ SELECT server_id, session_id, 0, visibility_lag_in_msec, now()
       FROM pg_catalog.aurora_global_db_instance_status() $$""",
)


@dataclass(frozen=True, slots=True)
class Aurora:
    """A writer in the first region, and a replica in the second one."""

    writer: Postgres
    replica: Standby

    def endpoint(self, region: str) -> URL:
        """Return the URL of a region's instance, without a driver's name."""
        server = self.writer if region == FIRST else self.replica
        return make_url(server.url).set(drivername="postgresql", host=INSTANCES[region])

    @property
    def instances(self) -> str:
        """What instances are called, for the driver. Where Aurora has one port for all, there are two here."""
        return f"{FIRST}:?:{self.writer.port},{SECOND}:?:{self.replica.port}"


@contextmanager
def aurora() -> Iterator[Aurora]:
    """Run one whose writer acknowledges no commit that has not arrived at the replica."""
    with ExitStack() as stack:
        writer = stack.enter_context(Postgres())
        replica = stack.enter_context(Standby(writer, synchronous=True))
        names = {
            "port": writer.port,
            "first": INSTANCES[FIRST],
            "second": INSTANCES[SECOND],
            "first_region": FIRST,
            "second_region": SECOND,
        }
        writer.sql(*[function.format(**names) for function in _FUNCTIONS])
        replica.catch_up()
        yield Aurora(writer, replica)
