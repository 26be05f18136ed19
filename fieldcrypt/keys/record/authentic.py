"""Records that were opened: their contents are what the maker of the data key wrote."""

from __future__ import annotations

from typing import Final, Self

from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, KeyState

__all__ = ["AuthenticRecord"]


class AuthenticRecord:
    """A key record whose data key was unwrapped, and whose tag matches.

    Nothing in a record counts before that (SPEC section 6), so all code that decides between keys takes these, and
    there is no other way to make one. The tag does not cover the state, which a key store keeps next to the record.

    Attributes:
        stored: the record itself.
        key_id: 16 bytes.
        created: seconds since 1970, UTC.
        tenant: whose key it is, or None.
        state: its state in the key store.
    """

    __slots__ = ("created", "key_id", "state", "stored", "tenant")

    def __init__(self, record: KeyRecord, data_key: DataKey) -> None:
        """Verify a record with its data key.

        Raises:
            DecryptionError: the key id or the tag does not match.
        """
        data_key.verify(record)
        self.stored: Final = record
        self.key_id: Final = record.key_id
        self.created: Final = record.created
        self.tenant: Final = record.tenant
        self.state: Final = record.state

    @property
    def age(self) -> tuple[int, bytes]:
        """Its place among the records of its tenant, from the oldest to the newest."""
        return self.created, self.key_id

    def in_state(self, state: KeyState) -> Self:
        """Return the record in the state that a key store gives it now."""
        if state is self.state:
            return self
        other = object.__new__(type(self))
        for name in self.__slots__:
            object.__setattr__(other, name, getattr(self, name))
        object.__setattr__(other, "state", state)
        object.__setattr__(other, "stored", self.stored._replace(state=state))
        return other

    def __eq__(self, other: object) -> bool:
        return self.stored == other.stored if isinstance(other, AuthenticRecord) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.stored)

    def __repr__(self) -> str:
        return f"AuthenticRecord({self.key_id.hex()})"

    def __reduce__(self) -> str:
        raise TypeError("an authentic record cannot be pickled: unpickling verifies nothing")
