"""Seals of records: members bound to each other (SPEC section 12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import date
from typing import Any, Literal

from fieldcrypt.declaration.path import Path
from fieldcrypt.declaration.protection import Protection
from fieldcrypt.declaration.record.record_field import RecordField
from fieldcrypt.declaration.record.record_key import Binding
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, DecryptionError, NotWrappedHereError, located
from fieldcrypt.events import Event, EventKind
from fieldcrypt.format.seal import SEAL_KEY, seal_digest
from fieldcrypt.mixed_mode import Accepted
from fieldcrypt.offload import Offload

__all__ = ["RecordSeal", "Sealing"]


@dataclass(frozen=True, slots=True)
class RecordSeal:
    """A member of a record that shows whether others were removed, added or exchanged: `RecordSeal("seal", ("role",))`.

    Attributes:
        member: which holds the seal.
        over: the members at the top of the record that it covers, plain and protected ones, with everything in them.
            The store has to return plain ones unchanged.
        accept_unsealed: also read records without a seal until this day begins in UTC, while existing records are
            sealed. Anyone who can write to the store can remove seals until then.
        accept_public_key, accept_foreign_keys: accept seals of others who can wrap data keys; see `Encryptor.field`.
        storage: "text" for stores that hold text only.

    Raises:
        ConfigurationError: it covers nothing, or something that is no name.
    """

    member: str
    over: tuple[str, ...]
    _: KW_ONLY
    accept_unsealed: date | None = None
    accept_public_key: bool = False
    accept_foreign_keys: bool = False
    storage: Literal["binary", "text"] = "binary"

    def __post_init__(self) -> None:
        over = self.over if isinstance(self.over, str) else tuple(self.over or ())
        if isinstance(over, str) or not over or not all(isinstance(name, str) for name in (self.member, *over)):
            raise ConfigurationError('a seal covers members by name: RecordSeal("seal", ("role",))')
        object.__setattr__(self, "over", over)


RecordSeal.__module__ = "fieldcrypt"  # what pickles call it, wherever it is defined


class Sealing:
    """Makes and verifies the seals of records.

    Args:
        record: their logical name.
        seal: its description.
        key: the members that a record is bound to anyway.
        encryptor, offload: see `Encryptor.field`.

    Raises:
        ConfigurationError: the seal covers itself, or the key.
    """

    __slots__ = ("_encryptor", "_field", "_over", "_unsealed", "member")

    def __init__(
        self, record: str, seal: RecordSeal, key: tuple[str, ...], encryptor: Encryptor, offload: Offload | None
    ) -> None:
        if not {seal.member, *key}.isdisjoint(seal.over):
            raise ConfigurationError("a seal covers other members than itself and the key, to which it is bound")
        self.member = seal.member
        self._over = seal.over
        self._encryptor = encryptor
        self._unsealed = None if seal.accept_unsealed is None else Accepted(seal.accept_unsealed)
        protection = Protection(
            bytes,
            accept_public_key=seal.accept_public_key,
            accept_foreign_keys=seal.accept_foreign_keys,
            storage=seal.storage,
        )
        self._field = RecordField(record, Path.of_member(seal.member), protection, encryptor, offload)

    def add(self, record: dict[str, Any], binding: Binding) -> None:
        """Seal a record whose protected values are encrypted already."""
        data = self._field.field.encrypt(b"", tenant=binding.tenant, context=self._context(record, binding))
        record[self.member] = self._field.stored(data)

    def verify(self, record: Mapping[str, Any], binding: Binding) -> None:
        """Verify the seal of a record, as the store has it.

        Raises:
            DecryptionError: it is missing, or not the seal of these members of this record.
        """
        field, stored = self._field.field, record.get(self.member)
        if stored is None:
            if self._unsealed is None or not self._unsealed.accepts_plaintext():
                missing = DecryptionError(f"{field.name}: the record has no seal, or was read without it")
                raise field.reported_error(missing, tenant=binding.tenant)
            self._encryptor.report(Event(EventKind.PLAINTEXT_READ, place=field.name))
            return
        try:
            self._field.decrypt(stored, binding.tenant, self._context(record, binding))
        except NotWrappedHereError:
            raise  # then nobody knows whether it is the seal of these members
        except DecryptionError as error:
            broken = located(self._broken_error(), field=field.name, tenant=binding.tenant, key_id=error.key_id)
        except (TypeError, ValueError):  # a member without an exact form, which nobody has reported yet
            broken = field.reported_error(self._broken_error(), tenant=binding.tenant)
        else:
            return
        raise broken  # here, where no chained exception has a value

    def _broken_error(self) -> DecryptionError:
        return DecryptionError(f"{self._field.field.name}: the sealed members are not those that were sealed")

    def _context(self, record: Mapping[str, Any], binding: Binding) -> dict[str, str]:
        return {**(binding.row or {}), SEAL_KEY: seal_digest(self._over, record).hex()}
