"""Whole columns of pyarrow, pandas and polars: what comes out is what the field makes of each value."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fieldcrypt import NO_TENANT, DecryptionError, Encryptor, Field, LocalKeyProvider, MemoryKeyStore, row_context
from fieldcrypt.columns import arrow, pandas, polars
from tests.support.doubles import told

SSN = "078-05-1120"
NOON = datetime(2026, 11, 24, 12, 0, 0, 5)

# A type, values of it, and what Arrow and polars call their column.
CASES: dict[str, tuple[type, list[Any], pa.DataType, Any]] = {
    "str": (str, [SSN, None, "", "Zoë"], pa.string(), pl.String),
    "bytes": (bytes, [b"\x00\xff", None, b""], pa.binary(), pl.Binary),
    "int": (int, [1, None, -(2**63), 2**63 - 1], pa.int64(), pl.Int64),
    "float": (float, [0.5, None, float("inf")], pa.float64(), pl.Float64),
    "bool": (bool, [True, None, False], pa.bool_(), pl.Boolean),
    "decimal": (Decimal, [Decimal("2000.000"), None, Decimal("-0.001")], pa.decimal128(7, 3), pl.Decimal(38, 3)),
    "date": (date, [date(1980, 2, 29), None], pa.date32(), pl.Date),
    "time": (time, [time(12, 30, 0, 5), None], pa.time64("us"), pl.Time),
    "timedelta": (timedelta, [timedelta(days=1, microseconds=1), None], pa.duration("us"), pl.Duration("us")),
    "naive": (datetime, [NOON, None], pa.timestamp("us"), pl.Datetime("us")),
    "aware": (datetime, [NOON.replace(tzinfo=UTC), None], pa.timestamp("us", "UTC"), pl.Datetime("us", "UTC")),
}
every_type = pytest.mark.parametrize("case", CASES)


class Library(NamedTuple):
    """A library's columns.

    Attributes:
        ours: the module for them.
        make: a column of values.
        values: the values of a column; None for null.
        type_of: its type, as the library says it.
        types: which of the two in `CASES` that is.
        binary: the type of encrypted columns.
    """

    ours: Any
    make: Callable[[list[Any]], Any]
    values: Callable[[Any], list[Any]]
    type_of: Callable[[Any], Any]
    types: Callable[[str], Any]
    binary: Any


def in_chunks(values: list[Any]) -> pa.ChunkedArray:
    """Chunks of two values, and one that is empty."""
    whole = pa.array(values)
    chunks = [whole.slice(at, 2) for at in range(0, len(values), 2)]
    return pa.chunked_array([*chunks, whole.slice(0, 0)], whole.type)


def of_pandas(column: Any) -> list[Any]:
    found: list[Any] = pa.Array.from_pandas(column).to_pylist()
    return found


LIBRARIES = {
    "array": Library(
        arrow, pa.array, lambda a: a.to_pylist(), lambda a: a.type, lambda case: CASES[case][2], pa.binary()
    ),
    "chunked": Library(
        arrow, in_chunks, lambda a: a.to_pylist(), lambda a: a.type, lambda case: CASES[case][2], pa.binary()
    ),
    "pandas": Library(
        pandas,
        lambda values: pd.Series(values, dtype=object),
        of_pandas,
        lambda series: series.dtype.pyarrow_dtype,
        lambda case: CASES[case][2],
        pa.binary(),
    ),
    "polars": Library(
        polars,
        lambda values: pl.Series(values),
        lambda series: series.to_list(),
        lambda series: series.dtype,
        lambda case: CASES[case][3],
        pl.Binary,
    ),
}


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """Each kind of column."""
    return LIBRARIES[request.param]


@pytest.fixture
def encryptor() -> Encryptor:
    """An Encryptor with a key store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def ssn(encryptor: Encryptor) -> Field[str]:
    """A field of texts."""
    return encryptor.field("patients.ssn", str)


class TestColumns:
    """Columns of all libraries."""

    @every_type
    def test_there_and_back(self, library: Library, encryptor: Encryptor, case: str) -> None:
        """Values come back, nulls too; ciphertexts are binary, plaintexts of the field's type."""
        kind, values = CASES[case][:2]
        field: Field[Any] = encryptor.field("patients.any", kind)
        encrypted = library.ours.encrypt_column(field, library.make(values))
        assert library.type_of(encrypted) == library.binary
        assert [value is None for value in library.values(encrypted)] == [value is None for value in values]
        decrypted = library.ours.decrypt_column(field, encrypted)
        assert library.type_of(decrypted) == library.types(case)
        assert library.values(decrypted) == values
        assert type(decrypted) is type(library.make(values))

    @every_type
    def test_each_value_is_one_of_the_field(self, library: Library, encryptor: Encryptor, case: str) -> None:
        """What is in an encrypted column, a field decrypts, and the other way round."""
        kind, values = CASES[case][:2]
        field: Field[Any] = encryptor.field("patients.any", kind)
        encrypted = library.values(library.ours.encrypt_column(field, library.make(values)))
        assert [None if data is None else field.decrypt(data) for data in encrypted] == values
        ours = [None if value is None else field.encrypt(value) for value in values]
        assert library.values(library.ours.decrypt_column(field, library.make(ours))) == values

    @every_type
    @pytest.mark.parametrize("values", [[], [None, None]], ids=["empty", "nulls"])
    def test_columns_without_values(
        self, library: Library, encryptor: Encryptor, case: str, values: list[None]
    ) -> None:
        """An empty column stays empty, and nulls stay nulls."""
        field: Field[Any] = encryptor.field("patients.any", CASES[case][0])
        encrypted = library.ours.encrypt_column(field, library.make(values))
        assert library.values(library.ours.decrypt_column(field, encrypted)) == values

    def test_rows_and_tenants(self, library: Library, ssn: Field[str]) -> None:
        """Every value is bound to its row, of a key in several parts, and encrypted under its tenant's key."""
        tenants, clinics, numbers = ["a", "b", "a"], ["x", "x", "y"], [1, 2, 3]
        where = {
            "tenant": library.make(tenants),
            "row": (library.make(clinics), library.make(numbers)),
        }
        values = [SSN, None, "219-09-9999"]
        encrypted = library.ours.encrypt_column(ssn, library.make(values), **where)
        assert library.values(library.ours.decrypt_column(ssn, encrypted, **where)) == values
        third = library.values(encrypted)[2]
        assert ssn.decrypt(third, tenant="a", context=row_context("y", 3)) == values[2]

    @pytest.mark.parametrize("wrong", [{"tenant": "b"}, {"row": [1, 3]}, {"tenant": ["a", "b"]}, {}], ids=str)
    def test_values_of_others(self, library: Library, ssn: Field[str], wrong: dict[str, Any]) -> None:
        """Exchanged between rows or tenants, values are refused, and the error says at which position."""
        encrypted = library.ours.encrypt_column(ssn, library.make([SSN] * 2), tenant="a", row=library.make([1, 2]))
        where = {name: library.make(how) if isinstance(how, list) else how for name, how in wrong.items()}
        where = {"tenant": "a", "row": library.make([1, 2]), **where} if where else {}
        with pytest.raises(DecryptionError) as caught:
            library.ours.decrypt_column(ssn, encrypted, **where)
        (note,) = caught.value.__notes__
        assert note.startswith("at position 1" if isinstance(next(iter(wrong.values()), ""), list) else "at position 0")

    def test_a_missing_tenant(self, library: Library, ssn: Field[str]) -> None:
        """A value whose tenant is null is neither encrypted for no tenant, nor decrypted for any."""
        tenants = library.make(["a", None])
        assert library.values(library.ours.encrypt_column(ssn, library.make([SSN, None]), tenant=tenants))[1] is None
        with pytest.raises(ValueError, match="column of tenants"):
            library.ours.encrypt_column(ssn, library.make([SSN, SSN]), tenant=tenants)
        encrypted = library.ours.encrypt_column(ssn, library.make([SSN, SSN]), tenant="a")
        with pytest.raises(ValueError, match="column of tenants"):
            library.ours.decrypt_column(ssn, encrypted, tenant=tenants)

    @pytest.mark.parametrize("bound", [True, False])
    def test_values_that_must_be_nobodys(self, library: Library, ssn: Field[str], bound: bool) -> None:
        """A tenant's value that was put among them is refused."""
        where = {"row": library.make([1, 2])} if bound else {}
        ours, theirs = (
            library.ours.encrypt_column(ssn, library.make([SSN] * 2), tenant=tenant, **where) for tenant in (None, "a")
        )
        assert library.values(library.ours.decrypt_column(ssn, ours, tenant=NO_TENANT, **where)) == [SSN] * 2
        with pytest.raises(DecryptionError):
            library.ours.decrypt_column(ssn, theirs, tenant=NO_TENANT, **where)

    @pytest.mark.parametrize("name", ["tenant", "row"])
    def test_columns_of_other_lengths(self, library: Library, ssn: Field[str], name: str) -> None:
        """Columns that do not fit together are refused."""
        with pytest.raises(ValueError, match="columns differ"):
            library.ours.encrypt_column(ssn, library.make([SSN]), **{name: library.make(["a", "b"])})

    def test_values_of_another_type(self, library: Library, ssn: Field[str]) -> None:
        """What is not of the field's type is refused without being told."""
        with pytest.raises(TypeError, match="expected str, got int") as caught:
            library.ours.encrypt_column(ssn, library.make([78051120]))
        assert "78051120" not in told(caught.value)

    def test_values_that_do_not_fit(self, library: Library, encryptor: Encryptor) -> None:
        """A number that the column's type does not hold is refused without being told."""
        field = encryptor.field("patients.any", int)
        encrypted = library.make([field.encrypt(10**30 + 78051120)])
        with pytest.raises(ValueError, match="do not fit") as caught:
            library.ours.decrypt_column(field, encrypted)
        assert "78051120" not in told(caught.value)

    def test_mixed_datetimes(self, library: Library, encryptor: Encryptor) -> None:
        """Datetimes with and without a time zone are not made one of the other."""
        field = encryptor.field("patients.seen", datetime)
        with pytest.raises(ValueError, match="time zone"):
            library.ours.decrypt_column(
                field, library.make([field.encrypt(NOON), field.encrypt(NOON.replace(tzinfo=UTC))])
            )

    def test_offsets(self, library: Library, encryptor: Encryptor) -> None:
        """Of an aware datetime the column has the point in time, in UTC."""
        field = encryptor.field("patients.seen", datetime)
        seen = NOON.replace(tzinfo=timezone(timedelta(hours=5)))
        decrypted = library.ours.decrypt_column(field, library.make([field.encrypt(seen)]))
        assert library.values(decrypted) == [seen]
        assert library.values(decrypted)[0].utcoffset() == timedelta(0)

    def test_types_without_a_column(self, library: Library, encryptor: Encryptor) -> None:
        """Lists have no one type; a type that is named is taken."""
        field = encryptor.field("patients.notes", list)
        encrypted = library.make([field.encrypt([1, 2])])
        with pytest.raises(TypeError, match="type=…"):
            library.ours.decrypt_column(field, encrypted)
        named = pl.List(pl.Int64) if library.ours is polars else pa.list_(pa.int64())
        assert library.type_of(library.ours.decrypt_column(field, encrypted, type=named)) == named


class TestArrow:
    """What only pyarrow has."""

    def test_chunks(self, ssn: Field[str]) -> None:
        """Chunks stay, whatever the chunks of the others."""
        column = pa.chunked_array([["a", "b"], ["c"], ["d", "e"]])
        rows = pa.chunked_array([[1, 2, 3], [4, 5]])
        encrypted = arrow.encrypt_column(ssn, column, row=rows, tenant=rows.cast(pa.string()))
        assert [len(chunk) for chunk in encrypted.chunks] == [2, 1, 2]
        assert arrow.decrypt_column(ssn, encrypted, row=rows) == column

    @pytest.mark.parametrize(
        "type", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str
    )
    def test_other_strings(self, ssn: Field[str], type: pa.DataType) -> None:
        """Text is text, however it is laid out."""
        encrypted = arrow.encrypt_column(ssn, pa.array([SSN, None]).cast(type))
        assert arrow.decrypt_column(ssn, encrypted, type=type).to_pylist() == [SSN, None]

    def test_uuids(self, encryptor: Encryptor) -> None:
        """UUIDs have a type in Arrow."""
        field = encryptor.field("patients.id", UUID)
        column = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID(int=7).bytes, None], pa.binary(16)))
        assert arrow.decrypt_column(field, arrow.encrypt_column(field, column)) == column


@pytest.mark.parametrize(
    ("ours", "make"),
    [
        (arrow, lambda count: pa.array([count], pa.timestamp("ns"))),
        (arrow, lambda count: pa.chunked_array([[count]], pa.timestamp("ns", "UTC"))),
        (pandas, lambda count: pd.Series([count]).astype("datetime64[ns]")),
        (polars, lambda count: pl.Series([count]).cast(pl.Datetime("ns"))),
    ],
    ids=["arrow", "arrow-aware", "pandas", "polars"],
)
def test_nanoseconds(encryptor: Encryptor, ours: Any, make: Callable[[int], Any]) -> None:
    """Times in nanoseconds are taken if they are whole microseconds; nothing is cut off."""
    field = encryptor.field("patients.seen", datetime)
    (seen,) = ours.decrypt_column(field, ours.encrypt_column(field, make(1_000))).to_numpy()
    assert seen.astype("datetime64[us]").astype(int) == 1
    with pytest.raises(ValueError, match="nanoseconds"):
        ours.encrypt_column(field, make(1_001))


class TestPandas:
    """What only pandas has."""

    def test_index_and_name(self, ssn: Field[str]) -> None:
        """They stay; and columns whose rows are others are refused, rather than put in another order."""
        column = pd.Series([SSN, None], index=[7, 3], name="ssn")
        encrypted = pandas.encrypt_column(ssn, column, tenant=pd.Series(["a", "b"], index=[7, 3]))
        assert (list(encrypted.index), encrypted.name) == ([7, 3], "ssn")
        with pytest.raises(ValueError, match="index"):
            pandas.encrypt_column(ssn, column, tenant=pd.Series(["a", "b"], index=[3, 7]))

    @pytest.mark.parametrize("dtype", ["str", "category", "string[pyarrow]", "object"])
    def test_texts(self, ssn: Field[str], dtype: Any) -> None:
        """Texts of every kind; what pandas takes for missing is null."""
        column = pd.Series([SSN, None, SSN], dtype=dtype)
        assert of_pandas(pandas.decrypt_column(ssn, pandas.encrypt_column(ssn, column))) == [SSN, None, SSN]

    def test_decimals_stay_as_they_are(self, encryptor: Encryptor) -> None:
        """In a column of objects each Decimal has its own digits."""
        field = encryptor.field("patients.weight", Decimal)
        encrypted = pandas.encrypt_column(field, pd.Series([Decimal("2.50"), Decimal("1"), None]))
        assert [str(field.decrypt(data)) for data in encrypted[:2]] == ["2.50", "1"]


@pytest.mark.parametrize(("module", "others"), [("arrow", "pandas polars"), ("pandas", "polars"), ("polars", "pandas")])
def test_a_module_loads_its_own_library(module: str, others: str) -> None:
    """Who uses one library need not have the others."""
    program = f"import sys, fieldcrypt.columns.{module}; print(sys.modules.keys() & {set(others.split())})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
