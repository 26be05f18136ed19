"""Columns of Arrow, natively: the bytes that the cells' way makes, whatever is in the buffers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from hashlib import shake_128
from struct import pack
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fieldcrypt import (
    DecryptionError,
    Encryptor,
    Field,
    FieldcryptError,
    KeyNotFoundError,
    KeyProviderError,
    LocalKeyProvider,
    MemoryKeyStore,
    _system,
)
from fieldcrypt.columns import arrow, pandas
from fieldcrypt.columns.buffers import Rows, decrypt_chunks, encrypt_chunks
from fieldcrypt.format.envelope import NONCE, SALT
from fieldcrypt.keys.live import live_key
from fieldcrypt.prepared.writers import Writers
from tests.support.backends import BACKENDS, NATIVE, fixes_nonces
from tests.support.strategies import relaxed

pytestmark = pytest.mark.skipif(NATIVE is None, reason="the native core is not built: make native")

PROVIDER, STORE = LocalKeyProvider.generate(), MemoryKeyStore()
TENANTS = ["a", "b"]
ROWS = 70_000  # more than one portion, after which it is looked whether the key may still be used

# Of each field's type, Arrow's types that are encrypted natively.
TYPES: dict[Any, list[pa.DataType]] = {
    str: [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    bytes: [pa.binary(), pa.large_binary()],
    int: [*(pa.int8(), pa.int16(), pa.int32(), pa.int64()), *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())],
    float: [pa.float32(), pa.float64()],
    bool: [pa.bool_()],
    date: [pa.date32()],
    datetime: [*(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC"))],
    timedelta: [pa.duration("us"), pa.duration("ms")],
    Decimal: [pa.decimal128(7, 2), pa.decimal128(38, 0), pa.decimal128(38, 20)],
    UUID: [pa.uuid()],
}
CASES = [(kind, type) for kind, types in TYPES.items() for type in types]


SAMPLES = {
    str: "x",
    bytes: b"x",
    bool: True,
    int: 1,
    float: 1.5,
    Decimal: Decimal(1),
    date: date(2026, 1, 1),
    datetime: datetime(2026, 1, 1),
    timedelta: timedelta(1),
    UUID: UUID(int=1),
}


def encryptor(backend: str | None) -> Encryptor:
    return Encryptor(PROVIDER, STORE, backend=backend)


@pytest.fixture(autouse=True, scope="module")
def keys() -> None:
    """A data key for each tenant, so that what follows draws salts and nonces only."""
    for tenant in (None, *TENANTS):
        encryptor(None).field("patients.any", str).encrypt("", tenant=tenant)


def values_of(kind: Any, type: pa.DataType) -> st.SearchStrategy[Any]:
    if kind is int:
        bits = type.bit_width - pa.types.is_signed_integer(type)
        least = -(2**bits) if pa.types.is_signed_integer(type) else 0
        return st.integers(least, 2**bits - 1) | st.integers(max(least, -300), min(2**bits - 1, 300))
    if kind is float:
        return st.floats(width=32) if type == pa.float32() else st.floats()
    if kind is datetime:
        years: Any = {"min_value": datetime(1700, 1, 1), "max_value": datetime(2200, 1, 1)} if type.unit == "ns" else {}
        seconds = st.datetimes(**years).map(lambda value: value.replace(microsecond=0))
        return seconds if type.unit in ("s", "ms") else st.datetimes(**years) | seconds
    if kind is timedelta:
        return st.integers(-(10**12), 10**12).map(lambda count: timedelta(milliseconds=count))
    if kind is Decimal:
        most = 10**type.precision - 1
        numbers = st.integers(-most, most) | st.integers(-min(most, 2000), min(most, 2000))
        return numbers.map(lambda number: Decimal(number).scaleb(-type.scale, Context(prec=type.precision)))
    plain: Any = {str: st.text(max_size=8), bytes: st.binary(max_size=8), bool: st.booleans()}
    strategies: Any = {**plain, date: st.dates(), UUID: st.uuids()}
    found: st.SearchStrategy[Any] = strategies[kind]
    return found


@st.composite
def columns(draw: st.DrawFn) -> tuple[Any, pa.ChunkedArray, dict[str, Any]]:
    """A field's type, a column of several chunks that are parts of others, and where its values are."""
    kind, type = draw(st.sampled_from(CASES))
    values = draw(st.lists(st.none() | values_of(kind, type), max_size=20))
    start = draw(st.integers(0, len(values)))
    whole = made(values, type)
    column = pa.chunked_array([whole.slice(start), whole.slice(0, start)], type)
    keys = {
        "text": pa.array([f"é{number}" for number in range(len(values))]),
        "int": pa.array(range(-5, len(values) - 5), pa.int16()),
        "uint": pa.array(range(len(values)), pa.uint64()),
        "date": pa.array(range(len(values)), pa.int32()).cast(pa.date32()),
        "uuid": pa.array([UUID(int=number) for number in range(len(values))], pa.uuid()),
    }
    named = draw(st.lists(st.sampled_from(list(keys)), max_size=3))
    where: dict[str, Any] = {"row": [keys[name] for name in named]} if named else {}
    tenants = pa.array(
        draw(st.lists(st.sampled_from(TENANTS), min_size=len(values), max_size=len(values))), pa.string()
    )
    tenant = draw(st.sampled_from([None, "a", tenants]))
    return kind, column, where if tenant is None else {**where, "tenant": tenant}


def made(values: list[Any], type: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(type) or pa.types.is_string_view(type):
        return pa.array(values, pa.string()).cast(type)
    return pa.array(values, type)


def fixed_randomness() -> Callable[[int], bytes]:
    """Return what draws a stream of bytes, the same each time, however much is drawn at once."""
    at = 0

    def draw(size: int) -> bytes:
        nonlocal at
        at += size
        return shake_128(b"nonces").digest(at)[at - size :]

    return draw


def encrypted(backend: str | None, kind: Any, column: pa.ChunkedArray, where: dict[str, Any]) -> pa.ChunkedArray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_system, "random_bytes", fixed_randomness())
        field = encryptor(backend).field("patients.any", kind)
        for tenant in (None, *TENANTS):
            field.encrypt(SAMPLES[kind], tenant=tenant)  # so that salts are drawn in the same order
        return arrow.encrypt_column(field, column, **where)


class TestOneTruth:
    """Both backends make the same columns, and each reads the other's."""

    @fixes_nonces
    @given(columns())
    @example((int, pa.chunked_array([[2**63]], pa.uint64()), {}))
    @settings(relaxed, max_examples=400)
    def test_the_same_bytes(self, case: tuple[Any, pa.ChunkedArray, dict[str, Any]]) -> None:
        """Under the same nonces, columns of all types, of slices and chunks, are the same to the first byte."""
        kind, column, where = case
        ours, theirs = (encrypted(backend, kind, column, where) for backend in (NATIVE, "python"))
        assert ours == theirs
        ours.validate(full=True)
        native, python = (encryptor(backend).field("patients.any", kind) for backend in (NATIVE, "python"))
        is_named = column.type == pa.uint64() or (kind is Decimal and column.null_count < len(column))
        named = {"type": column.type} if is_named else {}  # int64, the default, does not hold all of uint64
        found = arrow.decrypt_column(native, theirs, **where, **named)
        found.validate(full=True)
        again = arrow.decrypt_column(python, ours, **where, **named)
        assert found.type == again.type
        assert str(found) == str(again)  # not-a-numbers too, which are equal to nothing

    @pytest.mark.parametrize(("kind", "type"), CASES, ids=str)
    def test_it_is_the_buffers_way(self, kind: Any, type: pa.DataType) -> None:
        """Of all these types no cell becomes a Python object, in either direction."""
        field = encryptor(NATIVE).field("patients.any", kind)
        chunk = made([None, SAMPLES[kind]], type)
        sealed = encrypt_chunks(field, [chunk], Rows(None, []))
        assert sealed is not None
        named = type if kind is Decimal else None
        assert decrypt_chunks(field, sealed, Rows(None, []), named, arrow.TYPES.get(kind)) is not None

    @pytest.mark.parametrize(
        ("kind", "type", "values"),
        [
            (int, pa.int8(), [1000]),
            (int, pa.uint64(), [-1]),
            (int, pa.int64(), [2**63]),
            (float, pa.float32(), [0.1]),
            (datetime, pa.timestamp("us"), [datetime(2026, 1, 1), datetime.fromisoformat("2026-01-01T00:00+00:00")]),
            (datetime, pa.timestamp("us", "UTC"), [datetime(2026, 1, 1)]),
            (Decimal, pa.decimal128(5, 2), [Decimal("1.239")]),
            (Decimal, pa.decimal128(5, 2), [Decimal("-0.0")]),
            (Decimal, pa.decimal128(5, 2), [Decimal("1E+9")]),
        ],
        ids=str,
    )
    def test_what_does_not_fit(self, kind: Any, type: pa.DataType, values: list[Any]) -> None:
        """It is refused with the same words."""
        texts = []
        for backend in (NATIVE, "python"):
            field = encryptor(backend).field("patients.any", kind)
            data = pa.array([field.encrypt(value) for value in values])
            with pytest.raises(ValueError, match=r"do not fit|time zone") as caught:
                arrow.decrypt_column(field, data, type=type)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]

    def test_a_value_that_is_not_authentic(self) -> None:
        """It is refused with its position, and nothing of the others comes out."""
        field = encryptor(NATIVE).field("patients.any", str)
        data = field.encrypt_many(["x"] * 9)
        data[7] = data[7][:-1] + bytes([data[7][-1] ^ 1])
        with pytest.raises(DecryptionError) as caught:
            arrow.decrypt_column(field, pa.array(data))
        assert caught.value.__notes__ == ["at position 7 of the column, counted from 0"]

    def test_self_contained_values(self) -> None:
        """Values with their keys are read and written, also beside those without."""
        alone = Encryptor(PROVIDER, None, backend=NATIVE).field("patients.any", str)
        column = pa.array(["x", None, "y"])
        sealed = arrow.encrypt_column(alone, column)
        assert arrow.decrypt_column(alone, sealed) == column
        assert len(sealed[0].as_py()) > 200


class TestNonces:
    """No nonce is used twice, and none is drawn before all that it encrypts is fixed."""

    def test_several_salts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A column that is longer than a salt serves has several, and each nonce once."""
        monkeypatch.setattr(live_key, "MESSAGES_PER_SALT", 100)
        field = encryptor(NATIVE).field("patients.any", int)
        column = pa.array(range(1000))
        sealed = arrow.encrypt_column(field, column)
        data = sealed.to_pylist()
        assert len({value[NONCE] for value in data}) == len(data)
        assert len({value[SALT] for value in data}) >= 10
        assert arrow.decrypt_column(field, sealed) == column

    def test_draws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """At most 4,096 nonces are drawn at once."""
        field = encryptor(NATIVE).field("patients.any", int)
        field.encrypt(1)
        sizes: list[int] = []
        draw = _system.random_bytes

        def noted(size: int) -> bytes:
            sizes.append(size)
            return draw(size)

        monkeypatch.setattr(_system, "random_bytes", noted)
        arrow.encrypt_column(field, pa.array(range(10_000)))
        assert sizes == [4096 * 12, 4096 * 12, 1808 * 12]

    def test_memory_that_changes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What somebody writes into a buffer after the nonces are drawn is not encrypted."""
        field = encryptor(NATIVE).field("patients.any", int)
        numbers = np.arange(5000)
        draw = _system.random_bytes

        def change(size: int) -> bytes:
            numbers[:] = 0
            return draw(size)

        field.encrypt(1)
        monkeypatch.setattr(_system, "random_bytes", change)
        sealed = arrow.encrypt_column(field, pa.array(numbers))
        assert not numbers.any()
        assert arrow.decrypt_column(field, sealed).to_pylist() == list(range(5000))

    def test_the_keys_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the middle of a long column it is looked whether the key may still be used."""
        field = encryptor(NATIVE).field("patients.any", int)
        field.encrypt(1)
        now = _system.monotonic()
        prepared: list[Any] = []
        prepare, draw = Writers.prepare, _system.random_bytes

        def later(size: int) -> bytes:
            monkeypatch.setattr(_system, "monotonic", lambda: now + 15)
            return draw(size)

        def noted(self: Writers, tenant: str | None) -> Any:
            prepared.append(tenant)
            return prepare(self, tenant)

        monkeypatch.setattr(_system, "random_bytes", later)
        monkeypatch.setattr(Writers, "prepare", noted)
        arrow.encrypt_column(field, pa.array(range(ROWS)))
        assert len(prepared) == 1


class TestCrafted:
    """Buffers that nobody's library makes neither crash the process nor give anything away."""

    @pytest.mark.parametrize("offsets", [[0, 2**31 - 1, 5], [0, 9, 5], [0, -7, 5], [4, 1, 5], [0, 5, 4]], ids=str)
    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("type", [pa.string(), pa.binary()], ids=str)
    def test_offsets(self, offsets: list[int], backend: str, type: pa.DataType) -> None:
        """Offsets beyond the data are refused, as values, as what is decrypted and as keys of rows and tenants."""
        memory = np.array([0, 1, 5], "<i4")
        crafted = pa.Array.from_buffers(type, 2, [None, pa.py_buffer(memory), pa.py_buffer(b"texts")])
        memory[:] = offsets
        field = encryptor(backend).field("patients.any", str if type == pa.string() else bytes)
        plain = pa.array(["x", "y"], type)
        sealed = arrow.encrypt_column(field, plain)
        attempts: list[Callable[[], Any]] = [
            lambda: arrow.encrypt_column(field, crafted),
            lambda: arrow.decrypt_column(field, crafted),
            lambda: arrow.encrypt_column(field, plain, row=crafted),
            lambda: arrow.encrypt_column(field, plain, tenant=crafted),
            lambda: arrow.decrypt_column(field, sealed, row=crafted),
            lambda: arrow.decrypt_column(field, sealed, tenant=crafted),
        ]
        for attempt in attempts:
            with pytest.raises(ValueError, match="do not fit together"):
                attempt()

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_texts_that_are_none(self, backend: str) -> None:
        """Bytes that are not UTF-8 are refused, and are not in the error."""
        buffers = [None, pa.py_buffer(np.array([0, 4], "<i4").tobytes()), pa.py_buffer(b"\xff078")]
        crafted = pa.Array.from_buffers(pa.string(), 1, buffers)
        with pytest.raises(ValueError, match="not UTF-8") as caught:
            arrow.encrypt_column(encryptor(backend).field("patients.any", str), crafted)
        assert caught.value.__context__ is None

    def test_rubbish_beneath_nulls(self) -> None:
        """What is in the data where a cell is null is neither checked nor encrypted."""
        buffers = [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([0, 4, 5], "<i4").tobytes()), pa.py_buffer(b"\xff078x")]
        crafted = pa.Array.from_buffers(pa.string(), 2, buffers)
        field = encryptor(NATIVE).field("patients.any", str)
        sealed = encrypt_chunks(field, [crafted], Rows(None, []))
        assert sealed is not None
        assert arrow.decrypt_column(field, sealed[0]).to_pylist() == [None, "x"]

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_lengths(self, backend: str) -> None:
        """A column of a file that says it has more cells than memory could hold is refused before any is read."""
        sink = pa.BufferOutputStream()
        batch = pa.record_batch([pa.array(range(1000))], names=["number"])
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        said = sink.getvalue().to_pybytes().replace(pack("<q", 1000), pack("<q", 2**32 - 9))
        column = pa.ipc.open_stream(said).read_all().column(0)
        with pytest.raises(ValueError, match="do not fit together"):
            arrow.encrypt_column(encryptor(backend).field("patients.any", int), column)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_digits(self, backend: str) -> None:
        """A decimal of more digits than its column may have is refused."""
        buffers = [None, pa.py_buffer((10**20).to_bytes(16, "little"))]
        crafted = pa.Array.from_buffers(pa.decimal128(7, 2), 1, buffers)
        with pytest.raises(ValueError, match="do not fit together"):
            arrow.encrypt_column(encryptor(backend).field("patients.any", Decimal), crafted)

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_a_wrong_count_of_nulls(self, backend: str) -> None:
        """Values are not taken for nulls because their number says so."""
        field = encryptor(backend).field("patients.any", int)
        sealed = arrow.encrypt_column(field, pa.array([1, 2]))
        buffers = [pa.py_buffer(b"\x03"), *sealed.buffers()[1:]]
        crafted = pa.Array.from_buffers(pa.binary(), 2, buffers, null_count=2)
        with pytest.raises(ValueError, match="do not fit together"):
            arrow.decrypt_column(field, crafted)

    @pytest.mark.parametrize("backend", BACKENDS)
    @pytest.mark.parametrize("type", [pa.date32(), pa.timestamp("s")], ids=str)
    def test_days_beyond_the_calendar(self, type: pa.DataType, backend: str) -> None:
        """They are refused, without saying which day it is."""
        far = pa.array([-(2**31)], pa.int32()).cast(type) if type == pa.date32() else pa.array([2**60]).cast(type)
        field = encryptor(backend).field("patients.any", date if type == pa.date32() else datetime)
        with pytest.raises(ValueError, match=r"^a date or time is beyond those of Python") as caught:
            arrow.encrypt_column(field, far)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_decimals_of_tens(self, backend: str) -> None:
        """Of decimals with digits cut off before the point, a column is encrypted by Python."""
        field = encryptor(backend).field("patients.any", Decimal)
        tens = pa.array([Decimal("1.2E+3")], pa.decimal128(5, -2))
        sealed = arrow.encrypt_column(field, tens)
        assert arrow.decrypt_column(field, sealed, type=tens.type) == tens


class _Unreachable(LocalKeyProvider):
    """A key service that is down; it counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(bytes(32))
        self.asked = 0

    def unwrap(self, *arguments: Any) -> Any:
        self.asked += 1
        raise KeyProviderError("the key service is down")


class TestUnavailable:
    """A key that cannot be had is asked for once, for it may take long to be told so."""

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_the_key_service(self, backend: str) -> None:
        """A column under a key that cannot be unwrapped asks once, and says at which position."""
        store = MemoryKeyStore()
        before = Encryptor(LocalKeyProvider(bytes(32)), store, backend=backend).field("patients.any", str)
        column = pa.chunked_array([arrow.encrypt_column(before, pa.array(chunk)) for chunk in (["w"], [None, "x"])])
        for position, attempt in (
            (None, lambda field: arrow.encrypt_column(field, pa.array(["x"]))),
            (1, lambda field: arrow.decrypt_column(field, column.chunk(1))),
            (2, lambda field: pandas.decrypt_column(field, as_series([None, *column.chunk(1)]))),
        ):
            provider = _Unreachable()
            with pytest.raises(KeyProviderError, match="is down") as caught:
                attempt(Encryptor(provider, store, backend=backend).field("patients.any", str))
            assert provider.asked == 1
            assert (caught.value.field, caught.value.tenant) == ("patients.any", None)
            notes = getattr(caught.value, "__notes__", [])
            assert notes == ([] if position is None else [f"at position {position} of the column, counted from 0"])

    def test_a_missing_record(self) -> None:
        """The error is that of the wait for the record, and not one that says that nobody waited."""
        field = encryptor(NATIVE).field("patients.any", str)
        value = field.encrypt("x")
        missing = pa.array([value, value[:1] + bytes(16) + value[17:]])
        with pytest.raises(KeyNotFoundError, match=r"waited \d") as caught:
            arrow.decrypt_column(field, missing)
        assert caught.value.__notes__ == ["at position 1 of the column, counted from 0"]


def as_series(values: list[Any]) -> pd.Series[Any]:
    """A column of pandas in two chunks."""
    chunks = pa.chunked_array([pa.array(values[:1], pa.binary()), pa.array(values[1:], pa.binary())])
    return pd.Series(pd.arrays.ArrowExtensionArray(chunks))


def test_keys_that_end_meanwhile() -> None:
    """Threads encrypt and decrypt columns while others forget and close: each gets what it gave, or our error."""
    column = pa.array(range(20_000))
    errors: list[BaseException] = []
    done = threading.Event()
    shared: list[Encryptor] = [encryptor(NATIVE)]

    def stream() -> None:
        while not done.is_set():
            field: Field[Any] = shared[0].field("patients.any", int)
            try:
                assert arrow.decrypt_column(field, arrow.encrypt_column(field, column)) == column
            except FieldcryptError:
                pass  # it was closed
            except BaseException as error:  # noqa: BLE001 (reported by the test itself)
                errors.append(error)
                return

    threads = [threading.Thread(target=stream) for _ in range(8)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        shared[0].field("patients.any", int).forget()
        if turn % 3 == 0:
            closed, shared[0] = shared[0], encryptor(NATIVE)
            closed.close()
        threading.Event().wait(0.01)
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
