"""One protected field: the hot path.

`encrypt` and `decrypt` are written for speed: what can be prepared is prepared once per data key and salt and kept
in a cache whose hit is one dict lookup. Measure (`python -m benchmarks field`) before adding anything to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast, overload

from fieldcrypt import _system
from fieldcrypt.errors import DecryptionError, FieldcryptError, is_unexplained, located
from fieldcrypt.events import Event, EventKind
from fieldcrypt.format import envelope
from fieldcrypt.format.aead import GCM_NONCE_SIZE, LONG, InvalidTag, Pieces, Xaes256Gcm
from fieldcrypt.format.codecs import BYTES_BYTE, TEXT_BYTE, Codec
from fieldcrypt.format.context import (
    FIELD_KEY,
    ROW_KEY,
    NoTenant,
    RowContext,
    application_context,
    check_field_name,
    encode_context,
)
from fieldcrypt.format.envelope import GCM_NONCE, HEAD, NONCE, PREFIX
from fieldcrypt.format.scalars import READ, REFUSALS, WRITE, writer_of_any
from fieldcrypt.keys.stores.store import KeyStore
from fieldcrypt.offload import Offload, in_place
from fieldcrypt.prepared.columns import each_with_its_own, missing_tenant_error, note_position, one_by_one
from fieldcrypt.prepared.readers import NO_READER, Reader, Readers
from fieldcrypt.prepared.value_reader import value_reader
from fieldcrypt.prepared.writers import NO_WRITER, Writer, Writers

if TYPE_CHECKING:
    from fieldcrypt._base.logical_names import LogicalNames
    from fieldcrypt.counting.value_counts import ValueCounts
    from fieldcrypt.keys.keyring import Keyring

__all__ = ["Field"]

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

# Of many values: one for all, or each its own.
Tenants = str | NoTenant | Iterable[str | NoTenant | None] | None
Contexts = Mapping[str, str] | Iterable[Mapping[str, str] | None] | None

_TEXT_MARK = TEXT_BYTE.decode()


class _Encryptor(Protocol):
    """What a field uses of the Encryptor that made it."""

    _names: LogicalNames
    _value_counts: ValueCounts | None

    def _configured(self) -> Keyring: ...

    @property
    def field(self) -> Any: ...


class Field(Generic[T]):
    """A field whose values are encrypted. Made by `Encryptor.field`; safe to use from many threads.

    A value decrypts only through a field of the same name and context. The declared type and the padding are not part
    of that: a value that was written under another type of the same name raises a DecryptionError that says so.
    """

    __slots__ = (
        "__weakref__",
        "_accepts_foreign_keys",
        "_accepts_public_key",
        "_codec",
        "_context",
        "_encode_other",
        "_encrypted",
        "_encryptor",
        "_is_bytes",
        "_is_text",
        "_names_tenant",
        "_offload",
        "_original",
        "_own",
        "_read",
        "_readers",
        "_reads_text",
        "_recent_readers",
        "_recent_writers",
        "_rows_are_last",
        "_scalar",
        "_write",
        "_writers",
        "name",
    )

    def __init__(
        self,
        name: str,
        codec: Codec,
        context: Mapping[str, str] | None,
        encryptor: _Encryptor,
        accept_public_key: bool = False,
        offload: Offload = in_place,
        accept_foreign_keys: bool = False,
        names_tenant: bool = False,
    ) -> None:
        self.name = check_field_name(name)
        self._codec = codec
        self._context = {FIELD_KEY: name, **application_context(context or {})}
        self._own = encode_context(self._context)
        # True if a row's context comes after the field's own in the canonical order, so that it can be appended.
        self._rows_are_last = all(key.encode() < ROW_KEY.encode() for key in self._context)
        self._encryptor = encryptor
        self._accepts_public_key = accept_public_key or accept_foreign_keys
        self._accepts_foreign_keys = accept_foreign_keys
        self._names_tenant = names_tenant
        self._offload = offload
        self._scalar = codec.type if codec.type in WRITE and codec.pad is None else None
        self._write = WRITE.get(self._scalar)
        self._read = READ.get(codec.type) if codec.pad is None else None
        is_any = codec.type is object and codec.pad is None
        self._encode_other = writer_of_any(codec.encode) if is_any else codec.encode
        self._is_text = codec.type in (str, object) and codec.pad is None
        self._reads_text = codec.type is str and codec.pad is None
        self._is_bytes = codec.type is bytes and codec.pad is None
        self._writers: Writers = self._writers_of(encryptor._configured, offload, self._own)
        self._readers: Readers = self._readers_of(
            name,
            encryptor._configured,
            offload,
            self._own,
            accepts_public_key=self._accepts_public_key,
            accepts_foreign_keys=accept_foreign_keys,
            names_tenant=names_tenant,
        )
        self._recent_writers: dict[str | None, Writer] = self._writers.recent
        self._recent_readers: dict[bytes, Reader] = self._readers.recent
        self._original: Field[T] | None = None  # of a quiet field: the one whose it is
        self._encrypted: Any = None  # the tallies of values that were encrypted, by tenant; None if nobody counts them
        if encryptor._value_counts is not None:
            self._encrypted, self._readers.decrypted = encryptor._value_counts.of(name)
        self._prepare()

    _writers_of: ClassVar[Any] = Writers
    _readers_of: ClassVar[Any] = Readers
    _group_class: ClassVar[Any] = None  # of groups of such fields; None: FieldGroup

    def _prepare(self) -> None:
        """Do more that a kind of field needs."""

    def _columns(self) -> Any:
        """Return what encrypts and decrypts buffers of Arrow, which is native, or None."""
        return None

    @property
    def type(self) -> Any:
        """The Python type of the field's values."""
        return self._codec.type

    @property
    def pad(self) -> int | None:
        """The multiple of bytes that values are padded to; None if they are not padded."""
        return self._codec.pad

    @property
    def store(self) -> KeyStore | None:
        """The key store of the field's Encryptor."""
        return self._encryptor._configured().store

    @property
    def context(self) -> Mapping[str, str]:
        """The constant encryption context of the field's values: its name, and what it was made with."""
        return dict(self._context)

    def encrypt(self, value: T, *, tenant: str | None = None, context: Mapping[str, str] | None = None) -> bytes:
        """Encrypt a value.

        Args:
            value: exactly of the field's type.
            tenant: whose data key to use (1 to 255 bytes of UTF-8), or None for the key of no tenant.
            context: more that decryption has to repeat, for example `{"row": "42"}`. Not secret, not stored.

        Returns:
            58 bytes more than a text or bytes value has (SPEC section 4); self-contained values also hold the
            wrapped key, some 200 to 400 bytes.

        Raises:
            TypeError: the value is None or not of the field's type; tenant or context are not text.
            ValueError: tenant, context or value are out of range, or context overrides the field's own.
            KeyProviderError: the tenant's data key cannot be had from the key provider.
            KeyStoreError: it cannot be had from, or put into, the key store.
            ConfigurationError: the Encryptor has not been configured.
        """
        try:
            if value.__class__ is str and self._is_text:
                plaintext: Any = TEXT_BYTE + value.encode()  # type: ignore[attr-defined]
            elif value.__class__ is bytes and self._is_bytes:
                body: bytes = value  # type: ignore[assignment]
                plaintext = BYTES_BYTE + body if len(body) < LONG else Pieces((BYTES_BYTE, body))
            elif value.__class__ is self._scalar:
                plaintext = self._write(value)  # type: ignore[misc]
            else:
                plaintext = self._encode_other(value)
            if len(plaintext) > LONG or not (
                context is None or (context.__class__ is RowContext and self._rows_are_last)
            ):
                return self._writers.seal(tenant, [plaintext], [self._bound(context)])[0]
            # From here on nobody can change what is encrypted: a process that forks now encrypts the same twice.
            prefix, infix, encrypt, aad, messages, lease = self._recent_writers.get(tenant, NO_WRITER)
            if lease.at_hand_until <= _system.monotonic() or not next(messages, False):
                prefix, infix, encrypt, aad, _, _ = self._writers.prepare(tenant)
            if context is not None:
                aad = aad + context.encoded  # pyright: ignore[reportAttributeAccessIssue]  # quicker than type()
            nonce = _system.random_bytes(GCM_NONCE_SIZE)
            return prefix + nonce + infix + encrypt(nonce, plaintext, aad)
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name, tenant=tenant)
        del value  # as all else that should not be in a traceback
        plaintext = body = encrypt = None  # type: ignore[assignment]
        raise refused

    def decrypt(
        self, data: bytes, *, tenant: str | NoTenant | None = None, context: Mapping[str, str] | None = None
    ) -> T:
        """Decrypt a value.

        Args:
            data: what `encrypt` returned; bytes, bytearray or memoryview.
            tenant: if given, the tenant whose value it must be; `NO_TENANT` if it must be no tenant's. If None, any
                tenant's value is decrypted, unless tenants have wrapping keys of their own (`TenantKeyProvider`).
            context: what was given to `encrypt`.

        Raises:
            DecryptionError: the value is not authentic here (see there), or is of another type than the field.
            TypeError: data is not bytes; tenant or context are not text.
            KeyProviderError: the data key cannot be unwrapped.
            KeyStoreError: the data key cannot be had from the key store; `KeyNotFoundError` if it is not there.
            ConfigurationError: the Encryptor has not been configured, or a tenant has to be named and is not.
        """
        try:
            if data.__class__ is not bytes:
                data = envelope.as_bytes(data)
            decrypt, aad, key, infix, infix_at, body_at, anyone = self._recent_readers.get(data[PREFIX], NO_READER)
            if key.at_hand_until <= _system.monotonic():
                decrypt, aad, key, infix, infix_at, body_at, anyone = self._readers.prepare(data, tenant)
            if infix and data[infix_at] != infix:
                # Another wrapping of the same data key, or a forged one: it is opened before it counts.
                decrypt, aad, key, infix, infix_at, body_at, anyone = self._readers.prepare(data, tenant)
            if tenant is not anyone and (tenant is None or tenant != key.record.tenant):
                self._readers.check_nobody(tenant, key)
            if context is not None:
                if context.__class__ is RowContext and self._rows_are_last:
                    aad = aad + context.encoded  # pyright: ignore[reportAttributeAccessIssue]  # quicker than type()
                else:
                    aad = data[HEAD] + self._bound(context)
            if len(data) > LONG:
                xaes = cast("Xaes256Gcm", key.xaes)  # a native field does not come here
                value = self._decode_long(*xaes.decrypt_long(data[NONCE], memoryview(data)[body_at], 1, aad))
                self._readers.count(key, 1)
                return value
            try:
                plaintext = decrypt(data[GCM_NONCE], data[body_at], aad)
            except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
                raise DecryptionError from None
            if self._reads_text:
                try:
                    marked = plaintext.decode()
                    text = marked.removeprefix(_TEXT_MARK)
                    if len(text) < len(marked):  # then there was a mark; whether it is a new object is Python's affair
                        return text  # type: ignore[return-value]
                except UnicodeDecodeError:
                    pass  # the codec says so without the text
            elif self._is_bytes:
                body = plaintext.removeprefix(BYTES_BYTE)
                if len(body) < len(plaintext):
                    return body  # type: ignore[return-value]
            elif self._read is not None:
                try:
                    value = self._read(plaintext)
                    if value is not None:
                        return value
                except REFUSALS:
                    pass  # likewise
            try:
                return self._codec.decode(plaintext)  # type: ignore[no-any-return]
            except (FieldcryptError, TypeError, ValueError):
                self._readers.count(key, -1)
                raise
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = self.reported_error(error, data, tenant)
        del data  # which is plaintext where nothing encrypted it
        plaintext = marked = text = body = value = decrypt = xaes = None  # type: ignore[assignment]  # no traceback has them
        raise refused

    @overload
    def encrypt_many(  # pyright: ignore[reportOverlappingOverload]  # of a list of bytes, which is no list of bytes | None
        self, values: Iterable[T], *, tenant: str | Iterable[str] | None = None, context: Contexts = None
    ) -> list[bytes]: ...

    @overload
    def encrypt_many(
        self, values: Iterable[T | None], *, tenant: str | Iterable[str | None] | None = None, context: Contexts = None
    ) -> list[bytes | None]: ...

    def encrypt_many(self, values: Iterable[Any], *, tenant: Any = None, context: Contexts = None) -> list[Any]:
        """Encrypt many values in three quarters of the time that they take one by one.

        Args:
            values: each exactly of the field's type, or None, which stays None.
            tenant: whose data key to use for all of them, or the tenant of each.
            context: of all of them, or that of each.

        Raises:
            ValueError: there are more or fewer tenants or contexts than values, or a value has none of its own.
            Else as `encrypt`: nothing is encrypted, and a note says at which position the value stands.
        """
        if isinstance(values, str):
            raise TypeError(f"{self.name}: encrypt_many takes many values, and not a single text")
        given = list(values)
        plaintexts: list[Any] = []
        contexts: list[bytes] = []
        positions: dict[Any, list[int]] = {}  # of the values of each tenant
        whose = at = None
        try:
            for value, whose, bound in each_with_its_own(given, tenant, context):
                if value is not None:
                    if whose is None and tenant is not None:
                        raise missing_tenant_error()
                    value = self._encode(value)
                    positions.setdefault(whose, []).append(len(plaintexts))
                contexts.append(self._own if bound is None else self._bound(bound))
                plaintexts.append(value)
            for whose, at in positions.items():
                sealed = self._writers.seal(whose, [plaintexts[i] for i in at], [contexts[i] for i in at])
                for i, data in zip(at, sealed, strict=True):
                    plaintexts[i] = data
            if self._encrypted is not None:
                for whose, at in positions.items():
                    self._encrypted[whose].add(len(at))
            return plaintexts
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name, tenant=whose)
        note_position(refused, len(plaintexts), given)
        del values, given, plaintexts
        value = None
        raise refused

    @overload
    def decrypt_many(  # pyright: ignore[reportOverlappingOverload]  # likewise
        self, data: Iterable[bytes], *, tenant: Tenants = None, context: Contexts = None
    ) -> list[T]: ...

    @overload
    def decrypt_many(
        self, data: Iterable[bytes | None], *, tenant: Tenants = None, context: Contexts = None
    ) -> list[T | None]: ...

    def decrypt_many(self, data: Iterable[Any], *, tenant: Tenants = None, context: Contexts = None) -> list[Any]:
        """Decrypt many values.

        Args:
            data: what `encrypt_many` returned.
            tenant: whose value each must be, as for `decrypt`, or the tenant of each.
            context: of all of them, or that of each.

        Raises:
            As `decrypt` and `encrypt_many`.
        """
        try:
            return one_by_one(self.decrypt, list(data), tenant, context, self.name)
        except BaseException:
            del data  # likewise
            raise

    def reader(
        self, tenant: str | NoTenant | None = None, *, otherwise: Callable[[Any], T] | None = None
    ) -> Callable[[Any], T | None]:
        """Return a callable of one value, the quickest way to decrypt one after the other; None stays None.

        Args:
            tenant: as for `decrypt`.
            otherwise: called with what the callable does not read at once: what is not bytes, a value whose key has to
                be had first, and all that is refused. It returns the value, or raises. By default it is `decrypt`.
        """
        return value_reader(self, tenant, otherwise or partial(self.decrypt, tenant=tenant))

    def _decode_long(self, kind: bytes, body: bytes) -> T:
        if kind == TEXT_BYTE and self._is_text:
            try:
                return body.decode()  # type: ignore[return-value]
            except UnicodeDecodeError:
                pass  # the codec says so without the text
        elif kind == BYTES_BYTE and self._is_bytes:
            return body  # type: ignore[return-value]
        return self._codec.decode(kind + body)  # type: ignore[no-any-return]

    @property
    def quiet(self) -> Field[T]:
        """The same field without reports of refusals: for callers that try several forms before `reported_error`."""
        twin: Field[T] = object.__new__(type(self))
        for name in Field.__slots__:
            if name != "__weakref__":
                setattr(twin, name, getattr(self, name))
        twin._original = self  # which the Encryptor knows, and empties what both have prepared
        twin._prepare()
        return twin

    def reported_error(self, error: E, data: object = None, tenant: str | NoTenant | None = None) -> E:
        """Return the error to raise, with its field, key and tenant, and report that a value was refused.

        Args:
            error: a DecryptionError, unless it is unknown whether the value is authentic.
            data: the value, as it was stored.
            tenant: whose value it was to be.
        """
        key_id = envelope.key_id_of(data)
        if self._original is None and isinstance(error, DecryptionError):
            event = Event(EventKind.VALUE_REFUSED, key_id, tenant if isinstance(tenant, str) else None, self.name)
            self._encryptor._configured().events.report(event)
        refused = located(error, field=self.name, key_id=key_id, tenant=tenant)
        if self._original is None and isinstance(refused, DecryptionError) and is_unexplained(refused):
            refused.hint = self._encryptor._names.hint(self.name)
        return refused

    def forget(self) -> None:
        """Drop all that was prepared, so that the next value asks the keyring again."""
        self._writers.clear()
        self._readers.clear()

    def _encode(self, value: Any) -> bytes | Pieces:
        """Return the plaintext of a value: bytes, which nobody can change."""
        if value.__class__ is str and self._is_text:
            return TEXT_BYTE + value.encode()
        if value.__class__ is bytes and self._is_bytes:
            return BYTES_BYTE + value if len(value) < LONG else Pieces((BYTES_BYTE, value))
        if value.__class__ is self._scalar:
            return self._write(value)  # type: ignore[misc]
        return self._encode_other(value)

    def _decode(self, plaintext: bytes) -> T:
        """Return the value of a plaintext."""
        if self._read is not None:
            try:
                value = self._read(plaintext)
                if value is not None:
                    return value  # type: ignore[no-any-return]
            except REFUSALS:
                pass  # the codec says so without the plaintext
        return self._codec.decode(plaintext)  # type: ignore[no-any-return]

    def _bound(self, context: Any) -> bytes:
        """Return the canonical encoding of the field's context and that of a call."""
        if context is None:
            return self._own
        if context.__class__ is RowContext and self._rows_are_last:
            return self._own + context.encoded
        added = application_context(context)
        if not self._context.keys().isdisjoint(added):
            raise ValueError("the context of a call cannot override the field's own")
        return encode_context({**self._context, **added})

    def __reduce__(self) -> tuple[Any, ...]:
        if self._original is not None:
            return _quieted, (self._original,)
        made = {key: value for key, value in self._context.items() if key != FIELD_KEY}
        how = {
            "context": made,
            "pad": self._codec.pad,
            "accept_public_key": self._accepts_public_key,
            "offload": self._offload,
        }
        newer = {"accept_foreign_keys": self._accepts_foreign_keys, "names_tenant": self._names_tenant}
        how |= {name: value for name, value in newer.items() if value}  # else 0.1 unpickles it as well
        return partial(self._encryptor.field, self.name, self.type, **how), ()

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {getattr(self.type, '__name__', self.type)})"


def _quieted(field: Field[T]) -> Field[T]:
    return field.quiet
