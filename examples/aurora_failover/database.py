"""The engine over the AWS wrapper driver, and keys in the regions where the database is."""

from __future__ import annotations

import os

from sqlalchemy import URL, Engine, create_engine, make_url

from examples.aurora_failover.models import encryptor, sessions
from fieldcrypt.settings import Settings
from fieldcrypt_sqlalchemy import SqlKeyStore


def make_engine(endpoint: URL, instances: str, home: str) -> Engine:
    """Make an engine whose connections follow the writer from region to region.

    Args:
        endpoint: the global writer endpoint: `postgresql://clinic@….global-….global.rds.amazonaws.com/clinic`.
        instances: what instances are called in each region, with "?" for the instance:
            `us-east-1:?.….us-east-1.rds.amazonaws.com,eu-west-1:?.….eu-west-1.rds.amazonaws.com`.
        home: the region where this process runs.
    """
    return create_engine(
        endpoint.set(drivername="postgresql+aws_wrapper_psycopg"),
        connect_args={
            "plugins": "aurora_connection_tracker,initial_connection,gdb_failover,host_monitoring_v2",
            "wrapper_dialect": "global-aurora-pg",
            "cluster_id": "clinic",
            "global_cluster_instance_host_patterns": instances,
            "failover_home_region": home,
            "active_home_failover_mode": "strict-writer",  # this application writes; one that reads wants a reader
            "inactive_home_failover_mode": "strict-writer",
            "failover_timeout_sec": 60,  # how long a call waits until there is a writer again
            "enable_connect_failover": True,  # also for connections that are opened meanwhile
            "connect_timeout": 3,
        },
        pool_size=5,
    )


def start() -> Engine:
    """Configure database and keys from the environment. Neither is called: a process starts while a region is lost."""
    engine = make_engine(make_url(os.environ["DATABASE_URL"]), os.environ["AURORA_INSTANCES"], os.environ["AWS_REGION"])
    sessions.configure(bind=engine)
    Settings.from_environment().configure(encryptor, store=SqlKeyStore(engine))
    return engine
