"""Many values at once: what comes of them, and that no two of them ever share a nonce (SPEC section 3)."""

from __future__ import annotations

import enum
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Field,
    LocalKeyProvider,
    MemoryKeyStore,
    _system,
    row_context,
)
from fieldcrypt.format.aead import LONG
from fieldcrypt.format.envelope import GCM_NONCE, PREFIX
from fieldcrypt.keys.live import live_key
from fieldcrypt.spi import FieldGroup, encrypt_fields
from tests.support.doubles import told

SSN = "078-05-1120"
START = slice(0, 41)  # of a value: version, key id, salt and nonce


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many random bytes were drawn, call by call."""
    sizes: list[int] = []
    genuine = _system.random_bytes

    def recorded(size: int) -> bytes:
        sizes.append(size)
        return genuine(size)

    monkeypatch.setattr(_system, "random_bytes", recorded)
    return sizes


def starts(values: list[bytes | None]) -> list[bytes]:
    return [value[START] for value in values if value is not None]


class TestManyValues:
    """What `encrypt_many` returns are values like all others."""

    @pytest.mark.parametrize(
        ("kind", "value"), [(str, SSN), (bytes, b"\x00"), (int, 78_051_120), (list, [1, "a"]), (object, SSN)]
    )
    def test_come_back(self, encryptor: Encryptor, kind: Any, value: Any) -> None:
        """What was encrypted at once decrypts at once and one by one; None stays None."""
        field = encryptor.field("a.b", kind)
        data = field.encrypt_many([value, None, value])
        assert field.decrypt_many(data) == [value, None, value]
        assert field.decrypt(data[2]) == value

    def test_any_number_of_them(self, encryptor: Encryptor) -> None:
        """None at all, or more than are drawn for at once."""
        field = encryptor.field("a.b", int)
        for number in (0, 1, 21, 22, 63, 64, 65, 200):
            assert field.decrypt_many(field.encrypt_many(range(number))) == list(range(number))

    def test_each_has_its_tenant_and_context(self, encryptor: Encryptor) -> None:
        """Given in their order, they bind each value to its own."""
        field = encryptor.field("a.b", str)
        tenants, rows = ["a", "b", "a"], [row_context(1), None, {"note": "x"}]
        data = field.encrypt_many(["one", "two", "three"], tenant=tenants, context=rows)
        for value, one, tenant, context in zip(["one", "two", "three"], data, tenants, rows, strict=True):
            assert field.decrypt(one, tenant=tenant, context=context) == value
        with pytest.raises(DecryptionError):
            field.decrypt_many(data, tenant=tenants)
        with pytest.raises(DecryptionError):
            field.decrypt_many(data, tenant="a", context=rows)

    def test_are_nobodys_if_nobody_is_named(self, encryptor: Encryptor) -> None:
        """As for one value, no tenant is the tenant of none."""
        field = encryptor.field("a.b", str)
        assert field.decrypt_many(field.encrypt_many([SSN]), tenant=NO_TENANT) == [SSN]

    @pytest.mark.parametrize("each", [{"tenant": ["a"]}, {"context": [None] * 3}], ids=str)
    def test_columns_of_another_length_are_refused(self, encryptor: Encryptor, each: dict[str, Any]) -> None:
        """There is a tenant or a context for each value, or one for all."""
        field = encryptor.field("a.b", str)
        with pytest.raises(ValueError, match=r"(shorter|longer) than"):
            field.encrypt_many([SSN] * 2, **each)

    def test_a_text_is_one_value(self, encryptor: Encryptor) -> None:
        """And not one for each of its characters."""
        with pytest.raises(TypeError, match="a single text"):
            encryptor.field("a.b", str).encrypt_many(SSN)

    def test_a_value_without_a_tenant_is_refused(self, encryptor: Encryptor) -> None:
        """Among values with tenants, None is a tenant that is missing."""
        field = encryptor.field("a.b", str)
        with pytest.raises(ValueError, match="tenants has none"):
            field.encrypt_many([SSN, SSN], tenant=["a", None])

    @pytest.mark.parametrize("wrong", [7, "\ud800" + SSN])
    def test_an_error_says_where_and_not_what(self, encryptor: Encryptor, wrong: Any) -> None:
        """It names the field and the position."""
        field = encryptor.field("patients.ssn", str)
        with pytest.raises((TypeError, ValueError), match=r"patients\.ssn") as caught:
            field.encrypt_many([None, SSN, wrong])
        assert caught.value.__notes__ == ["at position 2 of the column, counted from 0"]
        assert SSN not in told(caught.value)

    def test_an_error_about_keys_is_about_no_position(self) -> None:
        """It is about all values of the tenant."""
        field = Encryptor().field("a.b", str)
        with pytest.raises(ConfigurationError) as caught:
            field.encrypt_many([SSN])
        assert not hasattr(caught.value, "__notes__")

    def test_long_values(self, encryptor: Encryptor) -> None:
        """Long and short ones go together."""
        field = encryptor.field("a.b", bytes)
        values = [bytes(LONG + 1), b"short", bytes(LONG)]
        assert field.decrypt_many(field.encrypt_many(values)) == values


class TestFields:
    """The values of several fields at once."""

    def test_come_back(self, encryptor: Encryptor) -> None:
        """Each decrypts as a value of its field, with its context, and as no other's."""
        name, born = encryptor.field("a.name", str), encryptor.field("a.born", int, context={"z": "last"})
        row = row_context(7)
        data = encrypt_fields([(name, "Ann", row), (born, 1980, row), (name, "Ann", None)], tenant="a")
        assert name.decrypt(data[0], tenant="a", context=row) == name.decrypt(data[2], tenant="a") == "Ann"
        assert born.decrypt(data[1], tenant="a", context=row) == 1980
        with pytest.raises(DecryptionError):
            born.decrypt(data[0], tenant="a", context=row)

    def test_of_none(self) -> None:
        """Without values no key is asked for."""
        assert encrypt_fields([]) == []

    def test_of_two_encryptors_are_refused(self, encryptor: Encryptor) -> None:
        """One data key encrypts all of them."""
        other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        with pytest.raises(ValueError, match="one Encryptor"):
            encrypt_fields([(encryptor.field("a.b", str), SSN, None), (other.field("a.c", str), SSN, None)])

    @pytest.mark.parametrize("wrong", [7, None, "\ud800" + SSN])
    def test_an_error_names_the_field(self, encryptor: Encryptor, wrong: Any) -> None:
        """And nothing of any value."""
        fields = [encryptor.field(f"patients.{name}", str) for name in ("ssn", "name")]
        with pytest.raises((TypeError, ValueError), match=r"patients\.name") as caught:
            encrypt_fields([(fields[0], SSN, None), (fields[1], wrong, None)])
        assert SSN not in told(caught.value)

    def test_are_one_draw(self, encryptor: Encryptor, draws: list[int]) -> None:
        """Of twelve bytes each."""
        fields = [encryptor.field(f"a.{name}", str) for name in "abcde"]
        encrypt_fields([(fields[0], SSN, None)])
        draws.clear()
        encrypt_fields([(field, SSN, None) for field in fields])
        FieldGroup(fields).encrypt([SSN] * 5)
        assert draws == [60, 60]


class TestFieldGroup:
    """Fields that are always encrypted together."""

    @pytest.mark.parametrize("context", [None, row_context(7), {"row": "7"}, {"note": "x"}], ids=str)
    def test_come_back(self, encryptor: Encryptor, context: Any) -> None:
        """Each value decrypts as one of its field; None stays None."""
        fields: list[Field[Any]] = [
            encryptor.field("a.name", str),
            encryptor.field("a.born", int, context={"z": "last"}),
        ]
        group = FieldGroup(fields)
        for values in (["Ann", 1980], [None, 1980], ["Ann", None], [None, None]):
            data = group.encrypt(values, tenant="a", context=context)
            for field, value, one in zip(fields, values, data, strict=True):
                assert one is value or field.decrypt(one, tenant="a", context=context) == value

    def test_of_two_encryptors_is_refused(self, encryptor: Encryptor) -> None:
        """One data key encrypts all of them."""
        other = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
        with pytest.raises(ValueError, match="one Encryptor"):
            FieldGroup([encryptor.field("a.b", str), other.field("a.c", str)])

    @pytest.mark.parametrize("number", [1, 3])
    def test_takes_a_value_of_each(self, encryptor: Encryptor, number: int) -> None:
        """Not more, and not less."""
        with pytest.raises(ValueError, match="for 2 fields"):
            FieldGroup([encryptor.field("a.b", str), encryptor.field("a.c", str)]).encrypt([SSN] * number)

    @pytest.mark.parametrize("wrong", [7, "\ud800" + SSN])
    def test_an_error_names_the_field(self, encryptor: Encryptor, wrong: Any) -> None:
        """And nothing of any value."""
        group = FieldGroup(encryptor.field(f"patients.{name}", str) for name in ("ssn", "name"))
        with pytest.raises((TypeError, ValueError), match=r"patients\.name") as caught:
            group.encrypt([SSN, wrong])
        assert SSN not in told(caught.value)

    def test_an_error_about_the_key_names_a_field_with_a_value(self, encryptor: Encryptor) -> None:
        """And not the last one, which the record may lack."""
        group = FieldGroup(encryptor.field(f"patients.{name}", str) for name in ("ssn", "name", "notes"))
        with pytest.raises(ValueError, match=r"patients\.name: a tenant's name has 1 to 255 bytes"):
            group.encrypt([None, SSN, None], tenant="")


class TestNonces:
    """They are drawn when all that they are for is fixed, and each serves once."""

    def test_are_drawn_for_some_values_at_a_time(self, encryptor: Encryptor, draws: list[int]) -> None:
        """Twelve bytes each, for at most 4,096 of them, and none that are not needed."""
        field = encryptor.field("a.b", bytes)
        field.encrypt(b"")
        draws.clear()
        field.encrypt_many([b""] * 10_000)
        assert sum(draws) == 10_000 * 12
        assert max(draws) <= 4096 * 12

    def test_are_drawn_for_some_bytes_at_a_time(self, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
        """For at most 16 MiB of values, so that none of them waits long for its use."""
        field = encryptor.field("a.b", bytes)
        field.encrypt(b"")
        drawn: list[bytes] = []
        genuine = _system.random_bytes

        def recorded(size: int) -> bytes:
            drawn.append(genuine(size))
            return drawn[-1]

        monkeypatch.setattr(_system, "random_bytes", recorded)
        nonces = [value[GCM_NONCE] for value in field.encrypt_many([bytes(2**20)] * 40)]
        served = [sum(nonce in draw for nonce in nonces) for draw in drawn]
        assert max(served) <= 16
        assert sum(served) in (40, 0)  # none where the FIPS module draws

    def test_are_not_drawn_for_values_that_do_not_come(self, encryptor: Encryptor, draws: list[int]) -> None:
        """An iterator that raises, or a value that cannot be encrypted, ends the call before that."""
        field = encryptor.field("a.b", str)
        field.encrypt(SSN)
        draws.clear()

        def values() -> Iterator[str]:
            yield from [SSN] * 200
            raise LookupError

        with pytest.raises(LookupError):
            field.encrypt_many(values())
        with pytest.raises(TypeError):
            field.encrypt_many([SSN] * 200 + [7])  # type: ignore[list-item]
        with pytest.raises(LookupError):
            encrypt_fields((field, value, None) for value in values())
        assert draws == []

    def test_come_after_the_values(self, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
        """What another thread changes from the draw on is not what is encrypted."""
        field = encryptor.field("a.b", list)
        field.encrypt([])
        value, context = ["before"], {"row": "1"}
        genuine = _system.random_bytes

        def meanwhile(size: int) -> bytes:
            value[0], context["row"] = "after", "2"
            return genuine(size)

        monkeypatch.setattr(_system, "random_bytes", meanwhile)
        data = field.encrypt_many([value, value], context=context)
        assert field.decrypt_many(data, context={"row": "1"}) == [["before"]] * 2

    def test_a_salt_serves_no_more_than_it_may(self, encryptor: Encryptor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Many threads that take from one salt at once, by one and by many, exceed nothing and repeat nothing."""
        monkeypatch.setattr(live_key, "MESSAGES_PER_SALT", 100)
        fields = [encryptor.field(f"a.{name}", str) for name in "abc"]

        def encrypt(number: int) -> list[bytes | None]:
            if number % 3 == 0:
                return [fields[0].encrypt(SSN)]
            if number % 3 == 1:
                return list(encrypt_fields([(field, SSN, None) for field in fields]))
            return list(fields[1].encrypt_many([SSN] * (number % 70)))

        with ThreadPoolExecutor(8) as pool:
            values = [start for some in pool.map(encrypt, range(600)) for start in starts(some)]
        assert len(set(values)) == len(values)
        assert max(Counter(value[PREFIX] for value in values).values()) <= 100


class Colour(enum.Enum):
    """A type whose members run code of their own when they are encoded."""

    RED = 1
    GREEN = 2

    @enum.property
    def name(self) -> str:
        hook()
        return self._name_


class Hooked(Mapping[str, str]):
    """A context that runs code of its own when it is read."""

    def __getitem__(self, key: str) -> str:
        hook()
        return "1"

    def __iter__(self) -> Iterator[str]:
        return iter(["row"])

    def __len__(self) -> int:
        return 1


def hook() -> None:
    """What the types above run; a test puts something else here."""


class TestFork:
    """A fork in the midst of a batch."""

    @pytest.mark.parametrize("first", [True, False])
    def test_a_child_shares_no_salt(self, encryptor: Encryptor, first: bool) -> None:
        """Whether an own type or an own context forked, and whether the key was in use before."""
        field = encryptor.field("a.b", Colour)
        if not first:
            field.encrypt(Colour.RED)
        for encrypt in (
            lambda: field.encrypt_many([Colour.RED, Colour.GREEN]),
            lambda: field.encrypt_many([Colour.RED, Colour.GREEN], context=Hooked()),
            lambda: encrypt_fields([(field, Colour.RED, None), (field, Colour.GREEN, Hooked())]),
            lambda: FieldGroup([field, field]).encrypt([Colour.RED, Colour.GREEN]),
            lambda: [field.encrypt(Colour.RED, context=Hooked())],
        ):
            parent, child = forked(encrypt)
            assert not {value[PREFIX] for value in parent} & {value[PREFIX] for value in child}
            assert len(set(parent + child)) == len(parent) + len(child)


def forked(encrypt: Callable[[], Any]) -> tuple[list[bytes], list[bytes]]:
    """Encrypt while the first hook that runs forks; return how the values of parent and child begin."""
    global hook
    genuine = hook
    read_end, write_end = os.pipe()
    child: list[int] = []

    def fork() -> None:
        if not child:
            child.append(os.fork())

    hook = fork
    try:
        values = starts(encrypt())
    except BaseException:
        if child == [0]:
            os._exit(1)
        raise
    finally:
        hook = genuine
    if child == [0]:
        os.write(write_end, b"".join(values))
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        data = pipe.read()
    assert os.waitpid(child[0], 0)[1] == 0
    return values, [data[at : at + 41] for at in range(0, len(data), 41)]
