"""Frames of fieldcrypt in the tracebacks of its errors hold no plaintext and no keys, whatever fails and where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from fieldcrypt import (
    NO_TENANT,
    Encryptor,
    Field,
    KeyPolicy,
    LocalKeyProvider,
    MemoryKeyStore,
    ProtectedRecord,
    Protection,
    _system,
)
from fieldcrypt.columns import arrow
from fieldcrypt.normalisers import digits
from fieldcrypt.search import Prefixes, StartsWith
from fieldcrypt.spi import FieldGroup, encrypt_fields
from fieldcrypt.tracebacks.frames import discreet, emptied
from tests.support.backends import BACKENDS
from tests.support.doubles import CountingProvider, RowStore, outage, refusal
from tests.support.frames import errors_of, frames_of, held

SSN = "078-05-1120"
POLICY = KeyPolicy(replication_wait=timedelta(0))


@pytest.fixture
def data_keys(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All random 32 bytes that are drawn: data keys, and the key of the local provider."""
    drawn: list[bytes] = []
    genuine = _system.random_bytes

    def recorded(size: int) -> bytes:
        data = genuine(size)
        if size == 32:
            drawn.append(data)
        return data

    monkeypatch.setattr(_system, "random_bytes", recorded)
    return drawn


class World:
    """An Encryptor over a key store and a key service that fail on request."""

    def __init__(self, backend: str, *, count_values: bool = False) -> None:
        self.provider, self.store = CountingProvider(), RowStore()
        self.encryptor = Encryptor(self.provider, self.store, POLICY, backend=backend, count_values=count_values)
        self.ssn = self.encryptor.field("patients.ssn", str)
        self.number = self.encryptor.field("patients.number", int)
        self.index = self.encryptor.blind_index("patients.ssn", str, normaliser="nfkc")
        self.prefixes = self.encryptor.search_index(
            "patients.ssn", str, index="begin", of=Prefixes(3, 4), accept_leakage=True
        )
        fields = {"ssn": Protection(str), "notes": Protection(str)}
        self.patients = ProtectedRecord("patients", self.encryptor, fields=fields, key="id", tenant="clinic")

    def record(self, ssn: Any = SSN) -> dict[str, Any]:
        return {"id": 7, "clinic": "a", "ssn": ssn, "notes": SSN}


WRITES: dict[str, Callable[[World, Any], Any]] = {
    "encrypt": lambda world, value: world.ssn.encrypt(value, tenant="a"),
    "encrypt, another type": lambda world, value: world.number.encrypt(
        78 if type(value) is str else value, tenant="a"
    ),
    "encrypt_many": lambda world, value: world.ssn.encrypt_many([SSN, value], tenant="a"),
    "encrypt_many, of tenants": lambda world, value: world.ssn.encrypt_many([SSN, value], tenant=["a", "b"]),
    "encrypt_fields": lambda world, value: encrypt_fields(
        [(world.ssn, SSN, None), (world.ssn, value, None)], tenant="a"
    ),
    "a group": lambda world, value: FieldGroup([world.ssn, world.ssn]).encrypt([SSN, value], tenant="a"),
    "a column": lambda world, value: arrow.encrypt_column(world.ssn, _column(value), tenant="a"),
    "a record": lambda world, value: world.patients.encrypt(world.record(value)),
    "records": lambda world, value: world.patients.encrypt_many([world.record(), world.record(value)]),
    "a tag": lambda world, value: world.index.tag(value, tenant="a"),
    "tags": lambda world, value: world.index.tags(value, tenant="a"),
    "terms": lambda world, value: world.prefixes.stored_tags(value, tenant="a", row={"row": "7"}),
}  # fmt: skip


def _column(value: Any) -> pa.Array:
    return pa.array([SSN, value]) if isinstance(value, str) else pa.array([value])


def raised(work: Callable[[], Any]) -> BaseException:
    """What work raises; the test's own frames are the caller's."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 (whatever it is)
        work()
    return caught.value


@pytest.fixture(params=BACKENDS)
def world(request: pytest.FixtureRequest, data_keys: list[bytes]) -> World:
    """A world that has made no data key yet, in each backend."""
    return World(request.param)


@pytest.mark.parametrize("write", [write for write in WRITES if write != "tags"])  # a search makes no key
class TestMakingKeys:
    def test_a_key_store_that_takes_no_key(self, world: World, data_keys: list[bytes], write: str) -> None:
        """So that a new data key is at hand when it fails."""
        world.store.add_failure = lambda: RuntimeError("a driver's error")
        assert held(raised(lambda: WRITES[write](world, SSN)), SSN, *data_keys) == []

    @pytest.mark.parametrize("failure", [outage, refusal, KeyboardInterrupt], ids=["away", "denied", "interrupted"])
    def test_a_key_service_that_fails(
        self, world: World, data_keys: list[bytes], write: str, failure: Callable[[], Exception]
    ) -> None:
        """Whether it is away, refuses, or somebody stops the program."""
        world.provider.wrap_failure = failure
        assert held(raised(lambda: WRITES[write](world, SSN)), SSN, *data_keys) == []


@pytest.mark.parametrize("write", WRITES)
class TestWriting:
    def test_a_key_store_that_is_down(self, world: World, data_keys: list[bytes], write: str) -> None:
        """Before the first key could be stored."""
        world.store.go_down()
        assert held(raised(lambda: WRITES[write](world, SSN)), SSN, *data_keys) == []

    @pytest.mark.parametrize("wrong", [78051120, [SSN], "\ud800078-05-1120"], ids=["int", "list", "surrogate"])
    def test_a_value_that_has_no_place_there(
        self, world: World, data_keys: list[bytes], write: str, wrong: Any
    ) -> None:
        """It is the value itself that must not be shown."""
        if write == "a column" and isinstance(wrong, str):
            return  # pyarrow does not make such a column
        if write == "encrypt, another type" and type(wrong) is int:
            wrong = 2.5078
        if write == "encrypt, another type" and type(wrong) is str:
            return  # which stands for a number there
        error = raised(lambda: WRITES[write](world, wrong))
        assert held(error, SSN, "78051120", *data_keys) == []


READS: dict[str, Callable[[World, bytes, str], Any]] = {
    "decrypt": lambda world, data, tenant: world.ssn.decrypt(data, tenant=tenant),
    "decrypt_many": lambda world, data, tenant: world.ssn.decrypt_many([*written(world), data], tenant=tenant),
    "decrypt_many, of tenants": lambda world, data, tenant: world.ssn.decrypt_many(
        [*written(world), data], tenant=["a", "a", tenant]
    ),
    "a reader": lambda world, data, tenant: world.ssn.reader(tenant)(data),
    "a group": lambda world, data, tenant: FieldGroup([world.ssn, world.ssn]).decrypt(
        [written(world)[0], data], tenant=tenant
    ),
    "a column": lambda world, data, tenant: arrow.decrypt_column(
        world.ssn, pa.array([*written(world), data], pa.binary()), tenant=tenant
    ),
    "a record": lambda world, data, tenant: world.patients.decrypt(sealed(world) | {"ssn": data}, tenant=tenant),
    "records": lambda world, data, tenant: world.patients.decrypt_many(
        [sealed(world), sealed(world) | {"ssn": data}], tenant=tenant
    ),
}


def written(world: World) -> list[bytes]:
    return [world.ssn.encrypt(SSN, tenant="a") for _ in range(2)]


def sealed(world: World) -> dict[str, Any]:
    return world.patients.encrypt(world.record())


@pytest.mark.parametrize("read", READS)
class TestReading:
    def test_a_value_that_was_changed(self, world: World, data_keys: list[bytes], read: str) -> None:
        """Among others that decrypt."""
        (data, _) = written(world)
        changed = data[:-1] + bytes([data[-1] ^ 1])
        assert held(raised(lambda: READS[read](world, changed, "a")), SSN, *data_keys) == []

    @pytest.mark.parametrize("stored", [SSN, SSN.encode(), bytearray(SSN.encode() * 20)], ids=["str", "bytes", "array"])
    def test_a_value_that_nothing_encrypted(self, world: World, data_keys: list[bytes], read: str, stored: Any) -> None:
        """As in a table that is not migrated: then what is to be decrypted is the plaintext."""
        if read == "a column":
            stored = bytes(stored, "ascii") if isinstance(stored, str) else bytes(stored)
        assert held(raised(lambda: READS[read](world, stored, "a")), SSN, *data_keys) == []

    def test_a_value_of_another_tenant(self, world: World, data_keys: list[bytes], read: str) -> None:
        """Whose data key this process has."""
        data = world.ssn.encrypt("219-09-9999", tenant="b")
        assert held(raised(lambda: READS[read](world, data, "a")), SSN, "219-09-9999", *data_keys) == []

    def test_a_value_of_another_type(self, world: World, data_keys: list[bytes], read: str) -> None:
        """Which is authentic, so its plaintext was there."""
        context = {"row": "7"} if read.startswith("record") or read == "a record" else None
        other = world.encryptor.field("patients.ssn", bytes)
        data = other.encrypt(b"219-09-9999", tenant="a", context=context)
        assert held(raised(lambda: READS[read](world, data, "a")), SSN, "219-09-9999", *data_keys) == []

    @pytest.mark.parametrize("where", ["key store", "key service", "nowhere"])
    def test_a_data_key_that_cannot_be_had(self, world: World, data_keys: list[bytes], read: str, where: str) -> None:
        """Because a region is away, or the value came before its key."""
        data = world.ssn.encrypt("219-09-9999", tenant="a")
        whole = sealed(world)
        world.encryptor.forget()
        if where == "key store":
            world.store.go_down()
        elif where == "key service":
            world.provider.unwrap_failure = outage
        else:
            world.store.rows.clear()
        if "record" in read:
            error = raised(lambda: world.patients.decrypt_many([whole | {"ssn": data}]))
        else:
            error = raised(lambda: READERS_ALONE[read](world, data))
        assert held(error, SSN, "219-09-9999", *data_keys) == []


READERS_ALONE: dict[str, Callable[[World, bytes], Any]] = {
    "decrypt": lambda world, data: world.ssn.decrypt(data),
    "decrypt_many": lambda world, data: world.ssn.decrypt_many([None, data]),
    "decrypt_many, of tenants": lambda world, data: world.ssn.decrypt_many([data], tenant=["a"]),
    "a reader": lambda world, data: world.ssn.reader("a")(data),
    "a group": lambda world, data: FieldGroup([world.ssn]).decrypt([data]),
    "a column": lambda world, data: arrow.decrypt_column(world.ssn, pa.array([data], pa.binary())),
}


class TestKeys:
    def test_a_key_that_is_too_short(self) -> None:
        """Of a local key provider."""
        assert held(raised(lambda: LocalKeyProvider(b"0123456789abcdef")), b"0123456789abcdef") == []

    def test_a_wrap_that_was_changed(self, data_keys: list[bytes]) -> None:
        """Called directly, as a program does that checks its keys."""
        provider, context = LocalKeyProvider.generate(), {"a": "b"}
        data_keys.append(b"\7" * 32)
        (wrap,) = provider.wrap(b"\7" * 32, context)
        changed = wrap._replace(data=wrap.data[:-1] + bytes([wrap.data[-1] ^ 1]))
        assert held(raised(lambda: provider.unwrap([changed], context)), *data_keys) == []

    def test_a_context_that_cannot_be(self, data_keys: list[bytes]) -> None:
        """With a data key as the argument."""
        provider = LocalKeyProvider.generate()
        assert held(raised(lambda: provider.wrap(b"\7" * 32, {"": ""})), b"\7" * 32, *data_keys) == []

    def test_a_rewrap_that_fails(self, world: World, data_keys: list[bytes]) -> None:
        """Halfway, when the data key is unwrapped."""
        written(world)
        target = CountingProvider()
        target.wrap_failure = lambda: RuntimeError("a driver's error")
        error = raised(lambda: world.encryptor.data_keys.rewrap(to=target))
        assert held(error, *data_keys) == []


class TestOtherFunctions:
    def test_a_normaliser(self) -> None:
        """That is called directly."""
        assert held(raised(lambda: digits("no number, 'secret'")), "secret") == []

    @pytest.mark.parametrize("call", ["normalise", "matches", "ask"])
    def test_a_normaliser_of_the_application(self, world: World, call: str) -> None:
        """Its own frame is the application's; those around it are not."""

        def broken(text: str) -> str:
            raise LookupError("no such word")

        index = world.encryptor.blind_index("a.b", str, normaliser=broken)
        how: Any = {"index": "begin", "of": Prefixes(3, 4), "normaliser": broken, "accept_leakage": True}
        prefixes = world.encryptor.search_index("a.c", str, **how)
        work: dict[str, Callable[[], Any]] = {
            "normalise": lambda: index.normalise(SSN),
            "matches": lambda: index.matches(SSN, SSN),
            "ask": lambda: prefixes.ask(StartsWith(SSN)),
        }
        assert held(raised(work[call]), SSN) == []

    def test_reading_what_is_accepted_for_a_time(self, world: World) -> None:
        """Of mixed mode."""
        protection = Protection(str)
        record = ProtectedRecord("others", world.encryptor, fields={"ssn": protection}, key="id")
        assert held(raised(lambda: record.decrypt({"id": 1, "ssn": SSN})), SSN) == []


class TestWhatIsLeft:
    def test_the_lines_of_a_traceback(self, world: World) -> None:
        """All of them, for they say where it failed."""
        world.store.go_down()
        error = raised(lambda: world.ssn.encrypt(SSN))
        names = [frame.f_code.co_name for frame in frames_of(error.__traceback__)]
        assert "go_down" not in names
        assert {"encrypt", "list"} & {*names} == {"list", "encrypt"} or "encrypt_slowly" in names

    def test_the_frames_of_the_application(self, world: World) -> None:
        """Those that called, and those of an error that it was handling meanwhile."""

        def handle() -> None:
            mine = "what the application knows"
            try:
                look_up()
            except LookupError:
                world.ssn.encrypt(1)  # type: ignore[arg-type]
            raise AssertionError(mine)

        def look_up() -> None:
            mine = "what the application knows"
            raise LookupError(len(mine))

        error = raised(handle)
        assert {*held(error, "what the application knows", module="tests")} == {
            "tests.core.test_frames.handle: mine",
            "tests.core.test_frames.look_up: mine",
        }

    def test_a_generator_that_goes_on(self) -> None:
        """It caught the error, and is not closed by what becomes of it."""

        def lazy(ssn: Any) -> Any:
            try:
                ssn.encrypt(1)
            except TypeError as error:
                yield error
            yield "and on"

        steps = lazy(World("python").ssn)
        emptied(next(steps))
        assert next(steps) == "and on"


# A module of fieldcrypt's, which calls the test's functions and has what it is given in its variables.
OURS: dict[str, Any] = {"__name__": "fieldcrypt_of_a_test", "discreet": discreet}
exec(  # noqa: S102 (the text below)
    """
@discreet
async def wait(secret, fail):
    fail(secret)

@discreet
def try_twice(secret, fail):
    errors = []
    for _ in range(2):
        try:
            fail(secret)
        except LookupError as error:
            errors.append(error)
    raise ExceptionGroup("twice", errors)

@discreet
def translate(secret, fail):
    try:
        fail(secret)
    except LookupError as error:
        raise ValueError("translated") from error
""",
    OURS,
)


def fail(secret: str) -> None:
    raise LookupError(len(secret) * "?")


class TestDiscreetFunctions:
    @pytest.mark.parametrize(
        ("work", "errors"),
        [
            (lambda: asyncio.run(OURS["wait"](SSN, fail)), 1),
            (lambda: OURS["try_twice"](SSN, fail), 3),
            (lambda: OURS["translate"](SSN, fail), 2),
        ],
        ids=["a coroutine", "a group of errors", "a cause"],
    )
    def test_nothing_is_left_of_them_and_of_what_they_called(self, work: Callable[[], Any], errors: int) -> None:
        """In any of the errors."""
        error = raised(work)
        assert len([*errors_of(error)]) == errors
        assert held(error, SSN, module="") == []


@pytest.mark.parametrize("stored", [SSN, SSN.encode()], ids=["text", "bytes"])
def test_whether_plaintext_is_a_canary(world: World, stored: Any) -> None:
    """The question is refused."""
    assert held(raised(lambda: world.encryptor.is_canary(stored)), SSN) == []


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_encryptor_that_counts_values(backend: str, data_keys: list[bytes], write: str) -> None:
    """Its fields have methods of their own."""
    world = World(backend, count_values=True)
    world.store.go_down()
    assert held(raised(lambda: WRITES[write](world, SSN)), SSN, *data_keys) == []


def test_self_contained_values(data_keys: list[bytes]) -> None:
    """The record in a value is opened with what it says."""
    field: Field[str] = Encryptor(LocalKeyProvider.generate(), policy=POLICY).field("a.b", str)
    data = field.encrypt(SSN)
    other = Encryptor(LocalKeyProvider.generate()).field("a.b", str)
    assert held(raised(lambda: other.decrypt(data)), SSN, *data_keys) == []
    assert held(raised(lambda: field.decrypt(data, tenant="a")), SSN, *data_keys) == []
    assert field.decrypt(data, tenant=NO_TENANT) == SSN
    assert MemoryKeyStore()
