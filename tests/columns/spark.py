"""A Spark on this machine, and patients in a DataFrame."""

from __future__ import annotations

import logging
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)

from fieldcrypt import Encryptor, Field, FileKeyStore
from tests.core.logged_provider import LoggedProvider

KEY = bytes(range(100, 132))
FERNET_KEY = b64encode(b"f" * 32)
CORES = 2


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session with two threads, in a time zone with summer time."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    directory = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.warehouse.dir": str(directory),
        "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={directory / 'derby.log'}",
    }
    builder = SparkSession.builder.master(f"local[{CORES}]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    yield spark
    spark.stop()
    logging.shutdown()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file with a line for every call of the key provider to unwrap: the process that made it."""
    return tmp_path / "unwraps"


@pytest.fixture
def encryptor(tmp_path: Path, log: Path) -> Encryptor:
    """An Encryptor that can be pickled, with a data key for each tenant of the tests."""
    (tmp_path / "key").write_bytes(b64encode(KEY))
    encryptor = Encryptor(
        LoggedProvider(str(tmp_path / "key"), str(log)), FileKeyStore.create(tmp_path / "keys.sqlite")
    )
    for tenant in (None, "a", "b"):
        encryptor.field("any", str).encrypt("", tenant=tenant)
    return encryptor


@pytest.fixture
def ssn(encryptor: Encryptor) -> Field[str]:
    """A field of texts."""
    return encryptor.field("patients.ssn", str)


def patients(spark: SparkSession, rows: int, parts: int = 4) -> DataFrame:
    """Return a table of texts."""
    text = F.concat(F.lit("078-"), F.lpad(F.col("id").cast("string"), 7, "0"))
    clinic = F.when(F.col("id") % 2 == 0, "a").otherwise("b")
    return spark.range(rows, numPartitions=parts).select("id", clinic.alias("tenant"), text.alias("ssn"))
