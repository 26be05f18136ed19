"""Fields: what is encrypted comes back where it belongs; misuse is told apart from tampering."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldcrypt import (
    NO_TENANT,
    ConfigurationError,
    DecryptionError,
    Encryptor,
    Field,
    FieldcryptError,
    KeyPolicy,
    KeyStoreError,
    LocalKeyProvider,
    MemoryKeyStore,
)
from tests.support.doubles import CountingProvider, RowStore, told
from tests.support.strategies import VALUES, Colour, fingerprint, relaxed

SSN = "078-05-1120"


@pytest.fixture
def stored() -> Encryptor:
    """An Encryptor with a key store."""
    return Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


class TestRoundTrip:
    """A field gives back what it took."""

    @given(st.sampled_from(list(VALUES)), st.data(), st.sampled_from([None, 16]))
    @relaxed
    def test_values_of_every_type(self, encryptor: Encryptor, kind: type, data: st.DataObject, pad: int | None) -> None:
        """A value of any type comes back the same."""
        value = data.draw(VALUES[kind])
        field: Field[Any] = encryptor.field("patients.any", kind, pad=pad)
        assert fingerprint(field.decrypt(field.encrypt(value))) == fingerprint(value)

    @given(
        st.none() | st.text(min_size=1, max_size=63),
        st.none() | st.dictionaries(st.text("abcü", min_size=1), st.text()),
    )
    @relaxed
    def test_tenants_and_contexts(
        self, encryptor: Encryptor, tenant: str | None, context: dict[str, str] | None
    ) -> None:
        """Named again, tenant and context open the value."""
        field = encryptor.field("patients.ssn", str, context={"form": "7b"})
        assert field.decrypt(field.encrypt(SSN, tenant=tenant, context=context), tenant=tenant, context=context) == SSN

    def test_the_tenant_need_not_be_named_to_decrypt(self, encryptor: Encryptor) -> None:
        """Without a tenant, the value of any tenant is decrypted."""
        field = encryptor.field("patients.ssn", str)
        assert field.decrypt(field.encrypt(SSN, tenant="clinic-7")) == SSN

    @pytest.mark.parametrize(
        "buffer",
        [
            bytearray,
            memoryview,
            lambda value: memoryview(bytearray(value)),
            lambda value: memoryview(value + b"!")[:-1],
        ],
        ids=["bytearray", "memoryview", "writable-memoryview", "part-of-a-memoryview"],
    )
    def test_all_buffers_of_bytes(self, encryptor: Encryptor, buffer: Any) -> None:
        """A value may come as any buffer that a database driver gives, the first time and the second."""
        field = encryptor.field("patients.ssn", str)
        value = field.encrypt(SSN)
        assert [field.decrypt(buffer(value)), field.decrypt(buffer(value))] == [SSN, SSN]
        assert field.decrypt(buffer(field.encrypt(SSN, context={"row": "1"})), context={"row": "1"}) == SSN

    def test_equal_values_look_different(self, encryptor: Encryptor) -> None:
        """The same plaintext never gives the same bytes."""
        field = encryptor.field("patients.ssn", str)
        assert len({field.encrypt(SSN) for _ in range(1000)}) == 1000

    @given(st.text())
    @relaxed
    def test_a_stored_text_grows_by_58_bytes(self, stored: Encryptor, text: str) -> None:
        """SPEC section 4: n bytes of UTF-8 make a value of n + 58 bytes."""
        assert len(stored.field("notes.text", str).encrypt(text)) == len(text.encode()) + 58

    def test_padded_values_have_one_length(self, stored: Encryptor) -> None:
        """A padded field does not show how long its values are."""
        field = stored.field("patients.hiv", str, pad=16)
        assert len(field.encrypt("positive")) == len(field.encrypt("no"))

    def test_padding_is_no_part_of_the_field(self, encryptor: Encryptor) -> None:
        """A field reads what it wrote before its padding was changed."""
        plain, padded = encryptor.field("a.b", str), encryptor.field("a.b", str, pad=16)
        assert plain.decrypt(padded.encrypt(SSN)) == padded.decrypt(plain.encrypt(SSN)) == SSN

    @pytest.mark.usefixtures("eager_threads")
    @pytest.mark.parametrize(
        "policy",
        [KeyPolicy(), KeyPolicy(max_cached_keys=3), KeyPolicy(cache_ttl=timedelta(0))],
        ids=["usual", "few-keys", "no-cache"],
    )
    @pytest.mark.parametrize("make_store", [MemoryKeyStore, lambda: None], ids=["stored", "self-contained"])
    def test_threads(self, make_store: Callable[[], MemoryKeyStore | None], policy: KeyPolicy) -> None:
        """Threads that encrypt and decrypt for many tenants at once all get their own values back."""
        field = Encryptor(LocalKeyProvider.generate(), make_store(), policy=policy).field("patients.ssn", str)

        def work(thread: int) -> list[str]:
            values = [
                (f"clinic-{i % 12}", field.encrypt(f"{thread}.{i}", tenant=f"clinic-{i % 12}")) for i in range(60)
            ]
            return [field.decrypt(value, tenant=tenant) for tenant, value in values]

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [[f"{thread}.{i}" for i in range(60)] for thread in range(8)]


class TestMisuse:
    """Mistakes of the caller are TypeErrors and ValueErrors, and tell nothing either."""

    @pytest.mark.parametrize("data", ["text", None, 7, [1], {"a": 1}, object()], ids=lambda data: type(data).__name__)
    def test_only_bytes_are_decrypted(self, encryptor: Encryptor, data: Any) -> None:
        """What is not bytes is a TypeError."""
        with pytest.raises(TypeError, match="an encrypted value is bytes"):
            encryptor.field("patients.ssn", str).decrypt(data)

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            (str, None),
            (bytes, None),
            (object, None),
            (str, b"x"),
            (bytes, "x"),
            (int, True),
            (Decimal, 1.5),
            (Colour, 1),
        ],
    )
    def test_only_the_type_is_encrypted(self, encryptor: Encryptor, kind: Any, value: Any) -> None:
        """None, and what is not exactly of the field's type, is a TypeError."""
        with pytest.raises(TypeError):
            encryptor.field("patients.any", kind).encrypt(value)

    @pytest.mark.parametrize("kind", [str, object])
    @pytest.mark.parametrize("pad", [None, 16])
    def test_invalid_text_is_not_told(self, encryptor: Encryptor, kind: Any, pad: int | None) -> None:
        """A lone surrogate is a ValueError that carries nothing of the text, and neither does what is behind it."""
        with pytest.raises(ValueError, match="Unicode") as caught:
            encryptor.field("patients.ssn", kind, pad=pad).encrypt(SSN + "\udfff")
        assert SSN not in told(caught.value)

    @pytest.mark.parametrize("tenant", ["", "x" * 256, "ü" * 128, "\ud800"])
    def test_tenants_have_1_to_255_bytes(self, encryptor: Encryptor, tenant: str) -> None:
        """A tenant that is empty, too long or not valid Unicode is a ValueError, not a key of its own."""
        with pytest.raises(ValueError, match="tenant"):
            encryptor.field("patients.ssn", str).encrypt(SSN, tenant=tenant)

    @pytest.mark.parametrize("tenant", [7, b"clinic-7", True])
    def test_tenants_are_text(self, encryptor: Encryptor, tenant: Any) -> None:
        """A tenant that is no str is a TypeError for both directions."""
        field = encryptor.field("patients.ssn", str)
        with pytest.raises(TypeError, match="a tenant is a str"):
            field.encrypt(SSN, tenant=tenant)
        with pytest.raises(TypeError, match="a tenant is a str"):
            field.decrypt(field.encrypt(SSN), tenant=tenant)

    def test_a_call_does_not_override_the_field(self, encryptor: Encryptor) -> None:
        """The context of a call adds to the field's; naming a key of the field's own is a ValueError."""
        field = encryptor.field("patients.ssn", str, context={"table": "patients"})
        value = field.encrypt(SSN)
        with pytest.raises(ValueError, match="override"):
            field.encrypt(SSN, context={"table": "patients"})
        with pytest.raises(ValueError, match="override"):
            field.decrypt(value, context={"table": "staff"})

    @pytest.mark.parametrize("name", ["", "x" * 256, "ü" * 128, "\ud800"])
    def test_names_have_1_to_255_bytes(self, encryptor: Encryptor, name: str) -> None:
        """A name that is empty, too long or not valid Unicode is a ValueError when the field is made."""
        with pytest.raises(ValueError):  # noqa: PT011 (the reasons differ)
            encryptor.field(name, str)

    def test_another_type_of_the_same_name_is_told(self, encryptor: Encryptor) -> None:
        """A value written as an int and read as a str is a DecryptionError that says so."""
        value = encryptor.field("patients.age", int).encrypt(42)
        with pytest.raises(DecryptionError, match="is a int where the field is declared as str"):
            encryptor.field("patients.age", str).decrypt(value)


class TestConfiguration:
    """An Encryptor may be configured late, and again."""

    def test_unconfigured(self) -> None:
        """Using an Encryptor without keys is an error that says what to call."""
        field = Encryptor().field("patients.ssn", str)
        with pytest.raises(ConfigurationError, match=r"call encryptor\.configure"):
            field.encrypt(SSN)
        with pytest.raises(ConfigurationError, match=r"call encryptor\.configure"):
            field.decrypt(b"\x01" + bytes(80))

    def test_late_configuration(self) -> None:
        """Fields that were made before follow the configuration."""
        encryptor = Encryptor()
        field = encryptor.field("patients.ssn", str)
        encryptor.configure(LocalKeyProvider.generate())
        assert field.decrypt(field.encrypt(SSN)) == SSN

    @pytest.mark.usefixtures("clock")
    def test_reconfiguration(self, encryptor: Encryptor) -> None:
        """A new configuration ends the use of the old keys, to encrypt and to decrypt, and its own work."""
        field = encryptor.field("patients.ssn", str)
        old = field.encrypt(SSN)
        assert field.decrypt(old) == SSN
        encryptor.configure(LocalKeyProvider.generate(), MemoryKeyStore())
        with pytest.raises(FieldcryptError):
            field.decrypt(old)
        new = field.encrypt(SSN)
        assert new[1:17] != old[1:17]
        assert field.decrypt(new) == SSN

    @pytest.mark.parametrize("arguments", [(None, MemoryKeyStore()), ("key",), (LocalKeyProvider.generate(), "store")])
    def test_bad_configuration(self, arguments: Any) -> None:
        """What is no provider, no store, or a store alone is a ConfigurationError."""
        with pytest.raises(ConfigurationError):
            Encryptor(*arguments)

    def test_a_stored_value_needs_a_store(self, stored: Encryptor) -> None:
        """An Encryptor without key store says that it cannot read a stored value."""
        value = stored.field("patients.ssn", str).encrypt(SSN)
        with pytest.raises(KeyStoreError, match="written with a key store"):
            Encryptor(LocalKeyProvider.generate()).field("patients.ssn", str).decrypt(value)

    def test_something_is_to_be_read(self) -> None:
        """Without a key store there are only self-contained values, so that not to read them is a mistake."""
        with pytest.raises(ConfigurationError, match="self-contained"):
            Encryptor(LocalKeyProvider.generate(), read_self_contained=False)

    def test_whether_they_are_read_is_said_with_a_bool(self, rows: RowStore) -> None:
        """The text of a setting, "no" for example, would count as yes."""
        with pytest.raises(ConfigurationError, match="bool"):
            Encryptor(LocalKeyProvider.generate(), rows, read_self_contained="no")  # type: ignore[arg-type]


class TestOffload:
    """What has to wait for key store or provider can be done elsewhere."""

    def test_only_what_waits_is_offloaded(self, provider: CountingProvider, store: RowStore | None) -> None:
        """Making a key and unwrapping one; not what is at hand, even if the field has to ask the keyring."""
        offloaded: list[int] = []

        def offload(work: Callable[[], Any]) -> Any:
            offloaded.append(provider.wraps + provider.unwraps)
            result = work()
            assert provider.wraps + provider.unwraps == offloaded[-1] + 1
            return result

        writer = Encryptor(provider, store).field("a.b", str, offload=offload)
        value = writer.encrypt(SSN)
        reader = Encryptor(provider, store).field("a.b", str, offload=offload)
        assert reader.decrypt(value) == SSN
        assert len(offloaded) == 2
        for field in (writer, reader):
            field.forget()
        assert reader.decrypt(value) == SSN
        writer.encrypt(SSN)
        assert len(offloaded) == 2

    def test_it_may_be_another_thread(self, encryptor: Encryptor) -> None:
        """As where an event loop has to go on; what is raised there is raised here."""
        with ThreadPoolExecutor(1) as pool:
            field = encryptor.field("a.b", str, offload=lambda work: pool.submit(work).result())
            assert field.decrypt(field.encrypt(SSN)) == SSN
            with pytest.raises(DecryptionError):
                field.decrypt(b"\x02" + bytes(200))
            with pytest.raises(ValueError, match="a tenant"):
                field.encrypt(SSN, tenant="")


class TestNoTenant:
    """Demanding a value that is no tenant's."""

    @pytest.mark.parametrize("store", [MemoryKeyStore(), None], ids=["stored", "self-contained"])
    def test_takes_only_such_a_value(self, store: MemoryKeyStore | None) -> None:
        """The attack: a tenant's own value is put in the place of a value of all."""
        field = Encryptor(LocalKeyProvider.generate(), store).field("settings.sender", str)
        assert field.decrypt(field.encrypt("ours"), tenant=NO_TENANT) == "ours"
        planted = field.encrypt("theirs", tenant="A")
        for _ in range(2):  # prepared, too
            with pytest.raises(DecryptionError) as caught:
                field.decrypt(planted, tenant=NO_TENANT)
        assert caught.value.args == DecryptionError().args
        assert field.decrypt(planted) == "theirs"

    def test_is_no_tenant_of_that_name(self) -> None:
        """A tenant may have any text for a name."""
        field = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("a.b", str)
        for name in ("no tenant", "NO_TENANT", str(NO_TENANT)):
            with pytest.raises(DecryptionError):
                field.decrypt(field.encrypt("x", tenant=name), tenant=NO_TENANT)

    def test_does_not_encrypt(self) -> None:
        """For that, None says it already."""
        field = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore()).field("a.b", str)
        with pytest.raises(TypeError, match="a tenant is a str"):
            field.encrypt("x", tenant=NO_TENANT)  # type: ignore[arg-type]
