"""Spark's job over a table: what was written is complete only if it was written by the same job, and is all there."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)

from fieldcrypt import ConfigurationError, Encryptor, Field, FileKeyStore, LocalKeyProvider
from fieldcrypt.errors import MigrationError
from fieldcrypt.schemes.fernet import FernetReader
from fieldcrypt_spark import backfill, decrypt_column, encrypt_column
from fieldcrypt_spark.parts import parts_of
from tests.columns.spark import FERNET_KEY, KEY, encryptor, log, patients, spark, ssn  # fixtures

__all__ = ["encryptor", "log", "spark", "ssn"]


@pytest.fixture
def table(spark: SparkSession) -> DataFrame:
    """A table of two parts, and three columns of which two are secret."""
    rows = [(number, "ab"[number % 2], f"078-05-{number}", f"19{number}0") for number in range(6, 9)]
    return spark.createDataFrame(rows, "id long, clinic string, ssn string, dob string").coalesce(1)


@pytest.fixture
def columns(encryptor: Encryptor) -> dict[str, Any]:
    """What is to be in the place of the two."""
    return {name: encrypt_column(encryptor.field(f"patients.{name}", str), name, row="id") for name in ("ssn", "dob")}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where to write: a directory that is not there yet."""
    return tmp_path / "out"


def texts(directory: Path) -> bytes:
    """All that is in files of data."""
    return b"".join(path.read_bytes() for path in directory.rglob("*.parquet"))


def notes(directory: Path) -> list[dict[str, Any]]:
    found = [path.read_text() for path in (directory / "_fieldcrypt" / "notes").glob("*.txt")]
    return sorted((json.loads(text) for text in found), key=lambda note: (str(note["part"]), len(note)))


class TestNotes:
    """What is noted, and compared."""

    def test_what_is_noted(self, table: DataFrame, columns: dict[str, Any], encryptor: Encryptor, target: Path) -> None:
        """Of each part with which columns and fields it was written, its rows and files, and which keys it needs."""
        assert backfill(table, str(target), columns, by="clinic").written == ["a", "b"]
        begun, whole = notes(target)[:2]
        assert begun["about"] == {
            "by": "clinic",
            "columns": {"id": "bigint", "clinic": "string", "ssn": "binary", "dob": "binary"},
            "encrypted": {
                "ssn": "encrypt_column patients.ssn(ssn, id)",
                "dob": "encrypt_column patients.dob(dob, id)",
            },
            "declared": {
                name: [
                    {"context": {"fieldcrypt:field": f"patients.{name}"}, "type": "str", "pad": None, "reader": None}
                ]
                for name in ("ssn", "dob")
            },
            "zone": None,
        }
        files = {path.name: path.stat().st_size for path in (target / "clinic=a").glob("*.parquet")}
        key_id = encryptor.field("patients.ssn", str).encrypt("")[1:17].hex().upper()
        assert whole == {
            **begun,
            "rows": 2,
            "files": files,
            "keys": {"ssn": [key_id], "dob": [key_id]},
        }

    def test_readers_pass_over_the_notes(
        self, spark: SparkSession, table: DataFrame, columns: Any, target: Path
    ) -> None:
        """Spark reads the data as if there were no notes."""
        backfill(table, str(target), columns, by="clinic")
        assert spark.read.parquet(str(target)).count() == 3

    def test_one_more_column(self, table: DataFrame, columns: dict[str, Any], target: Path) -> None:
        """What was written with fewer encrypted columns is not complete, and nothing is written beside it."""
        backfill(table, str(target), {"ssn": columns["ssn"]}, by="clinic")
        assert b"1970" in texts(target)
        before = sorted(target.rglob("*"))
        with pytest.raises(ConfigurationError, match=r"other columns.*dob"):
            backfill(table, str(target), columns, by="clinic")
        assert sorted(target.rglob("*")) == before

    @pytest.mark.parametrize(
        "what", ["field", "row", "tenant", "type", "pad", "context", "reader", "fewer", "table", "by"]
    )
    def test_written_otherwise(
        self, table: DataFrame, columns: dict[str, Any], encryptor: Encryptor, target: Path, what: str
    ) -> None:
        """Nor is what another field, row, tenant or reader wrote, or another table, or what has other parts."""
        ssn = encryptor.field("patients.ssn", str)
        others: dict[str, Callable[[], Any]] = {
            "field": lambda: encrypt_column(encryptor.field("people.ssn", str), "ssn", row="id"),
            "row": lambda: encrypt_column(ssn, "ssn"),
            "tenant": lambda: encrypt_column(ssn, "ssn", row="id", tenant=F.lit("a")),
            "type": lambda: encrypt_column(encryptor.field("patients.ssn", bytes), "ssn", row="id"),
            "pad": lambda: encrypt_column(encryptor.field("patients.ssn", str, pad=64), "ssn", row="id"),
            "context": lambda: encrypt_column(
                encryptor.field("patients.ssn", str, context={"a": "b"}), "ssn", row="id"
            ),
            "reader": lambda: encrypt_column(ssn, "ssn", row="id", reader=fernet),
        }
        other = {**columns, "ssn": others[what]()} if what in others else dict(columns)
        if what == "fewer":
            del other["dob"]
        changed = table.withColumn("note", F.lit("secret")) if what == "table" else table
        backfill(table, str(target), columns, by="clinic")
        with pytest.raises(ConfigurationError, match="other columns"):
            backfill(changed, str(target), other, by="id" if what == "by" else "clinic")

    def test_keys_of_another_encryptor(
        self, table: DataFrame, columns: dict[str, Any], target: Path, tmp_path: Path
    ) -> None:
        """Nor is what was written under keys that the field's key store does not have."""
        backfill(table, str(target), columns, by="clinic")
        (tmp_path / "other.key").write_bytes(b64encode(KEY))
        other = Encryptor(
            LocalKeyProvider.from_file(tmp_path / "other.key"), FileKeyStore.create(tmp_path / "other.sqlite")
        )
        elsewhere = {name: encrypt_column(other.field(f"patients.{name}", str), name, row="id") for name in columns}
        before = sorted(target.rglob("*"))
        with pytest.raises(ConfigurationError, match=r"'ssn'.*keys that its field does not have"):
            backfill(table, str(target), elsewhere, by="clinic")
        assert sorted(target.rglob("*")) == before

    def test_notes_of_version_1(self, table: DataFrame, columns: dict[str, Any], target: Path) -> None:
        """They did not have the whole declaration: what they have is compared."""
        backfill(table, str(target), columns, by="clinic")
        for path in (target / "_fieldcrypt" / "notes").glob("*.txt"):
            note = json.loads(path.read_text())
            note["version"] = 1
            del note["about"]["declared"], note["about"]["zone"]
            path.write_text(json.dumps(note))
        for path in (target / "_fieldcrypt" / "notes").glob(".*.crc"):
            path.unlink()
        assert backfill(table, str(target), columns, by="clinic").complete == ["a", "b"]
        with pytest.raises(ConfigurationError, match=r"other columns.*dob"):
            backfill(table, str(target), {"ssn": columns["ssn"]}, by="clinic")

    @pytest.mark.parametrize("what", ["other", "cast", "renamed"])
    def test_what_is_no_encrypted_column(
        self, table: DataFrame, columns: dict[str, Any], target: Path, what: str
    ) -> None:
        """An expression that is not encrypt_column's is refused before anything is written."""
        wrong = {"other": F.col("ssn"), "cast": F.col("ssn").cast("binary"), "renamed": columns["ssn"].alias("x")}[what]
        with pytest.raises(ConfigurationError, match="'ssn'"):
            backfill(table, str(target), {**columns, "ssn": wrong}, by="clinic")
        text = columns["ssn"].cast("string")
        with pytest.raises(ConfigurationError, match="not binary"):
            backfill(table, str(target), {**columns, "ssn": text}, by="clinic")
        assert not (target).exists()

    def test_values_that_are_not_encrypted(self, table: DataFrame, columns: dict[str, Any], target: Path) -> None:
        """If an expression leaves some values as they were, the part is not complete, now or later."""
        some = F.when(F.col("id") == 7, F.col("ssn").cast("binary")).otherwise(columns["ssn"])
        for _ in range(2):
            with pytest.raises(ConfigurationError, match="1 values of column 'ssn'") as caught:
                backfill(table, str(target), {**columns, "ssn": some}, by="clinic")
            assert "078-05" not in str(caught.value)

    @pytest.mark.parametrize("note", ['{"version": 3}', '{"version": 1, "par', "[]"])
    def test_notes_that_cannot_be_read(
        self, table: DataFrame, columns: dict[str, Any], target: Path, note: str
    ) -> None:
        """Notes of a later version, or that are cut, are not guessed at."""
        backfill(table, str(target), columns, by="clinic")
        (target / "_fieldcrypt" / "notes" / "other.txt").write_text(note)
        with pytest.raises(ConfigurationError, match="cannot read"):
            backfill(table, str(target), columns, by="clinic")


def fernet() -> FernetReader[str]:
    """A reader of another scheme."""
    return FernetReader(Fernet(FERNET_KEY))


class TestOtherFiles:
    """Files that no backfill wrote."""

    @pytest.mark.parametrize("kind", ["parts", "no parts", "text"])
    def test_a_path_with_files(self, table: DataFrame, columns: dict[str, Any], target: Path, kind: str) -> None:
        """A path that holds plaintext, or anything else, is refused and left as it is."""
        if kind == "text":
            target.mkdir()
            (target / "table.csv").write_text("078-05-1120")
        else:
            (table.write.partitionBy("clinic") if kind == "parts" else table.write).mode("append").parquet(str(target))
        before = {path: path.stat().st_size for path in target.rglob("*")}
        with pytest.raises(ConfigurationError, match="no backfill wrote"):
            backfill(table, str(target), columns, by="clinic")
        assert {path: path.stat().st_size for path in target.rglob("*")} == before

    @pytest.mark.parametrize("where", ["clinic=a", "clinic=c", "."])
    def test_files_that_came_later(self, table: DataFrame, columns: dict[str, Any], target: Path, where: str) -> None:
        """A file that was added is refused, in a part that is complete, in another one, or beside them."""
        backfill(table, str(target), columns, by="clinic")
        table.drop("clinic").write.parquet(str(target.parent / "plain"))
        (target / where).mkdir(exist_ok=True)
        for path in (target.parent / "plain").glob("*.parquet"):
            shutil.copy(path, target / where)
        with pytest.raises(ConfigurationError, match="no backfill wrote"):
            backfill(table, str(target), columns, by="clinic")

    def test_a_part_that_was_exchanged(self, table: DataFrame, columns: dict[str, Any], target: Path) -> None:
        """Plaintext with as many rows in the place of a part is not complete."""
        backfill(table, str(target), columns, by="clinic")
        table.write.option("partitionOverwriteMode", "dynamic").mode("overwrite").partitionBy("clinic").parquet(
            str(target)
        )
        with pytest.raises(ConfigurationError, match="no backfill wrote"):
            backfill(table, str(target), columns, by="clinic")

    def test_a_file_that_is_gone(self, table: DataFrame, columns: dict[str, Any], target: Path) -> None:
        """A part that has lost a file is written again."""
        backfill(table, str(target), columns, by="clinic")
        next((target / "clinic=b").glob("*.parquet")).unlink()
        assert backfill(table, str(target), columns, by="clinic") == (["b"], ["a"], [])


class Killed(BaseException):
    """In the place of a signal."""


class TestKilled:
    """Runs that end in the middle of a part."""

    @pytest.mark.parametrize("moment", ["before the data", "before the note"])
    @pytest.mark.parametrize("again", [False, True])
    def test_between_data_and_note(
        self,
        spark: SparkSession,
        table: DataFrame,
        columns: dict[str, Any],
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
        moment: str,
        again: bool,
    ) -> None:
        """The part is written again as a whole, also if it was there before with fewer rows."""
        if again:
            backfill(table.filter("id <> 8"), str(target), columns, by="clinic")

        def die(*_: Any) -> Any:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(
                import_module("fieldcrypt_spark.backfill"),
                "_write" if moment == "before the data" else "_keys_of_written",
                die,
            )
            with pytest.raises(Killed):
                backfill(table, str(target), columns, by="clinic")
        assert backfill(table, str(target), columns, by="clinic") == (
            (["a"], ["b"], []) if again else (["a", "b"], [], [])
        )
        assert backfill(table, str(target), columns, by="clinic") == ([], ["a", "b"], [])
        assert spark.read.parquet(str(target)).count() == 3
        assert b"078-05" not in texts(target)


class TestDirectories:
    """Values of the column that makes the parts."""

    @pytest.mark.parametrize(
        ("values", "type"),
        [
            (["x", ""], "string"),
            ([None, ""], "string"),
            (["x", "__HIVE_DEFAULT_PARTITION__"], "string"),
            ([None, "__HIVE_DEFAULT_PARTITION__"], "string"),
            ([0.0, -0.0], "double"),
            (["Bern", "bern"], "string"),
            (["Stra\u00dfe", "STRASSE"], "string"),
            (["\u00e9", "e\u0301"], "string"),
            (["x", "X"], "string collate UTF8_LCASE"),
        ],
        ids=str,
    )
    def test_shared(self, spark: SparkSession, ssn: Field[str], tmp_path: Path, values: list[Any], type: str) -> None:
        """Those that share a directory, for Hive or for a file system, are refused before anything is written."""
        table = spark.createDataFrame(list(enumerate(values)), f"id long, part {type.split()[0]}")
        if "collate" in type:
            table = table.withColumn("part", F.collate("part", "UTF8_LCASE"))
        table = table.withColumn("ssn", F.lit("078-05-1120"))
        with pytest.raises(ConfigurationError, match="'part'"):
            backfill(table, str(tmp_path / "new"), {"ssn": encrypt_column(ssn, "ssn")}, by="part")
        assert not (tmp_path / "new").exists()

    def test_names_that_are_escaped(self, spark: SparkSession, ssn: Field[str], tmp_path: Path) -> None:
        """Each value has a directory of its own, whatever characters it has, and is complete in the next run."""
        names = [
            None,
            "a/b",
            "a%2Fb",
            "a%b",
            "a b",
            "x:y",
            "q=r",
            "{z}",
            "it's",
            "+",
            "\\w",
            "t\tb",
            '"',
            "a|b",
            "Zo\u00eb",
        ]
        table = spark.createDataFrame(list(enumerate(names)), "id long, `the part` string").coalesce(1)
        table = table.withColumn("ssn", F.lit("078-05-1120"))
        target, columns = str(tmp_path / "out"), {"ssn": encrypt_column(ssn, "ssn", row="id")}
        assert len(backfill(table, target, columns, by="the part").written) == len(names)
        again = backfill(table, target, columns, by="the part")
        assert (again.written, len(again.complete)) == ([], len(names))
        stored = spark.read.parquet(target).withColumn("ssn", decrypt_column(ssn, "ssn", row="id"))
        assert stored.select(table.columns).exceptAll(table).isEmpty()
        assert table.exceptAll(stored.select(table.columns)).isEmpty()


class TestEveryRow:
    """A part is written only if each of its rows is."""

    @pytest.mark.parametrize(
        "values",
        [
            "TIMESTAMP_NTZ'2026-03-29 02:30:00', TIMESTAMP_NTZ'2026-01-25 02:30:00', TIMESTAMP_NTZ'1890-01-01 01:02'",
            "TIMESTAMP'2026-03-29 02:30:00Z', TIMESTAMP'1890-01-01 01:02:03.000004Z', TIMESTAMP'0001-01-02 00:00:00Z'",
            "DATE'0001-01-01', DATE'1582-10-04', DATE'9999-12-31'",
            "CAST('NaN' AS FLOAT), CAST(0.1 AS FLOAT), CAST(3.4E38 AS FLOAT)",
            "CAST(1.10 AS DECIMAL(38, 10)), CAST(-0.0000000001 AS DECIMAL(38, 10)), CAST(0 AS DECIMAL(38, 10))",
            "true, false, NULL",
            "CAST(-128 AS TINYINT), CAST(127 AS TINYINT), NULL",
        ],
    )
    def test_of_each_type(self, spark: SparkSession, ssn: Field[str], tmp_path: Path, values: str) -> None:
        """Whatever the type of the column, and the hour that the session's time zone does not have."""
        table = spark.sql(
            f"SELECT pos AS id, col AS `a ``b`, '078-05-1120' AS ssn FROM (SELECT posexplode(array({values})))"
        )
        columns = {"ssn": encrypt_column(ssn, "ssn", row="id")}
        zone = spark.conf.get("spark.sql.session.timeZone")
        spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
        try:
            written = backfill(table, str(tmp_path / "out"), columns, by="a `b").written
            assert len(set(written)) == 3
            assert backfill(table, str(tmp_path / "out"), columns, by="a `b") == ([], written, [])
        finally:
            spark.conf.set("spark.sql.session.timeZone", zone)
        assert spark.read.schema("id int, ssn binary").parquet(str(tmp_path / "out")).count() == 3

    def test_more_or_fewer(self, table: DataFrame, columns: dict[str, Any], target: Path, monkeypatch: Any) -> None:
        """If other rows were written than were counted, the job ends, and the next one writes the part again."""
        with monkeypatch.context() as patch:
            patch.setattr(import_module("fieldcrypt_spark.backfill"), "_write", lambda *_: None)
            with pytest.raises(MigrationError, match="2 rows whose 'clinic' is 'a', and 0 were written"):
                backfill(table, str(target), columns, by="clinic")
        assert backfill(table, str(target), columns, by="clinic") == (["a", "b"], [], [])

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            ("TIMESTAMP'2026-10-25 01:30:00Z'", "part"),
            ("'a'", ".part"),
            ("X'FF'", "part"),
            ("named_struct('a', 1)", "part"),
            ("INTERVAL '1' DAY", "part"),
        ],
    )
    def test_directories_that_tell_less(
        self, spark: SparkSession, ssn: Field[str], target: Path, value: str, name: str
    ) -> None:
        """A value that its directory does not tell, or that readers do not find, is refused before all others."""
        table = spark.sql(f"SELECT {value} AS `{name}`, '078-05-1120' AS ssn")
        zone = spark.conf.get("spark.sql.session.timeZone")
        spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
        try:
            with pytest.raises(ConfigurationError, match="part'"):
                backfill(table, str(target), {"ssn": encrypt_column(ssn, "ssn")}, by=name)
        finally:
            spark.conf.set("spark.sql.session.timeZone", zone)
        assert not target.exists()

    def test_parts_that_are_gone(
        self, spark: SparkSession, table: DataFrame, columns: dict[str, Any], target: Path
    ) -> None:
        """What the table has no more is named, and stays."""
        backfill(table, str(target), columns, by="clinic")
        assert backfill(table.filter("clinic = 'a'"), str(target), columns, by="clinic") == ([], ["a"], ["b"])
        assert spark.read.parquet(str(target)).count() == 3
        shutil.rmtree(target / "clinic=b")
        assert backfill(table.filter("clinic = 'a'"), str(target), columns, by="clinic") == ([], ["a"], [])

    def test_pushed_down(self, spark: SparkSession, ssn: Field[str], tmp_path: Path) -> None:
        """The filter of a part goes to the source, also that of a time."""
        spark.sql("SELECT TIMESTAMP'2026-01-01 00:00:00Z' AS at").write.parquet(str(tmp_path / "plain"))
        table = spark.read.parquet(str(tmp_path / "plain"))
        rows = table.filter(parts_of(table, "at")[0].rows_of)
        plan = rows._jdf.queryExecution().executedPlan().toString()
        assert "EqualNullSafe(at,2026-01-01" in plan


class TestWritten:
    """What it writes, and that it goes on where it was interrupted."""

    def test_from_parquet_interrupted(self, spark: SparkSession, ssn: Field[str], tmp_path: Path) -> None:
        """Parts that are written stay written; the next run does the rest, and one after it nothing."""
        table = patients(spark, 300).withColumn("month", F.format_string("0%d", F.col("id") % 3 + 1))
        table.write.parquet(str(tmp_path / "plain"))
        plain = spark.read.parquet(str(tmp_path / "plain"))
        target = str(tmp_path / "encrypted")
        column = {"ssn": encrypt_column(ssn, "ssn", row="id")}

        def stop(part: str | None) -> None:
            if part == "02":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            backfill(plain, target, column, by="month", on_progress=stop)
        assert backfill(plain, target, column, by="month") == (["03"], ["01", "02"], [])
        assert backfill(plain, target, column, by="month") == ([], ["01", "02", "03"], [])
        more = plain.unionByName(plain.filter("id = 0").withColumn("id", F.lit(1000)))
        assert backfill(more, target, column, by="month") == (["01"], ["02", "03"], [])
        stored = spark.read.schema("id long, tenant string, ssn binary, month string").parquet(target)
        decrypted = stored.withColumn("ssn", decrypt_column(ssn, "ssn", row="id"))
        assert decrypted.exceptAll(more).count() == more.exceptAll(decrypted).count() == 0
        assert not [path for path in (tmp_path / "encrypted").rglob("*.parquet") if b"078-0" in path.read_bytes()]

    def test_from_jdbc(self, spark: SparkSession, ssn: Field[str], tmp_path: Path) -> None:
        """A table of a database, with nulls; parts of no value are a part."""
        url = f"jdbc:derby:{tmp_path / 'database'};create=true"
        connection = spark._jvm.java.sql.DriverManager.getConnection(url)
        statement = connection.createStatement()
        statement.execute('CREATE TABLE patients ("id" BIGINT, "tenant" VARCHAR(8), "ssn" VARCHAR(16))')
        for row in ("1, 'a', '078-05-1120'", "2, 'b', NULL", "3, NULL, '078-05-1121'", "4, 'a', ''"):
            statement.execute(f"INSERT INTO patients VALUES ({row})")
        connection.close()
        source = spark.read.jdbc(url, "patients")
        report = backfill(source, str(tmp_path / "encrypted"), {"ssn": encrypt_column(ssn, "ssn")}, by="tenant")
        assert report == ([None, "a", "b"], [], [])
        stored = spark.read.parquet(str(tmp_path / "encrypted"))
        decrypted = stored.withColumn("ssn", decrypt_column(ssn, "ssn")).select(source.columns)
        assert decrypted.exceptAll(source).count() == source.exceptAll(decrypted).count() == 0

    @pytest.mark.parametrize(("columns", "by"), [(["snn"], "tenant"), (["ssn"], "month"), (["ssn"], "ssn"), ([], "id")])
    def test_columns_that_are_not_there(
        self, spark: SparkSession, ssn: Field[str], columns: list[str], by: str
    ) -> None:
        """A name with a mistake is refused, for the column that was meant would stay plaintext."""
        with pytest.raises(ConfigurationError):
            backfill(patients(spark, 1), "/nowhere", dict.fromkeys(columns, encrypt_column(ssn, "ssn")), by=by)
