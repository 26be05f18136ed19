"""Searching for encrypted values by tags: equal values have equal tags (SPEC section 11)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from fieldcrypt.errors import ConfigurationError, KeyWipedError, located
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.context import FIELD_KEY, PATH_KEY, NoTenant, check_field_name
from fieldcrypt.keys.live.wiped import unless_wiped
from fieldcrypt.normalisers import NORMALISERS, Normaliser, NothingToTagError, canonical
from fieldcrypt.offload import Offload, in_place
from fieldcrypt.search.macs import IndexingEncryptor, IndexMacs, message_head
from fieldcrypt.tracebacks.frames import discreet, emptied

if TYPE_CHECKING:
    from fieldcrypt.search.answer import Answer
    from fieldcrypt.search.question import Question

__all__ = [
    "DEFAULT_TAG_SIZE",
    "MAX_TAG_SIZE",
    "MIN_MEMBERS",
    "BlindIndex",
    "checked_size",
    "checked_type",
    "found_normaliser",
]

T = TypeVar("T")

DEFAULT_TAG_SIZE = 16  # bytes, at which no two values of a table ever share a tag
MAX_TAG_SIZE = 32  # bytes
MIN_MEMBERS = 16  # of an Enum; with fewer, the tags reveal the values

_TYPES = (bytes, str, int, bool, Decimal, date, datetime, time, timedelta, UUID)


class BlindIndex(Generic[T]):
    """Tags of the values of one field. Made by `Encryptor.blind_index`; safe to use from many threads.

    Values are equal if they are after normalising; the numbers 1.0 and 1.00 are, and so are times of one instant.

    Attributes:
        name: the field's.
        type: the Python type of its values.
        tag_size: bytes of a tag.
    """

    __slots__ = (
        "__weakref__",
        "_accepts_default_key",
        "_accepts_low_cardinality",
        "_codec",
        "_encryptor",
        "_macs",
        "_normalise",
        "_normaliser",
        "_offload",
        "_path",
        "_per_tenant",
        "_rotates",
        "name",
        "tag_size",
        "type",
    )

    def __init__(
        self,
        name: str,
        type: Any,
        tag_size: int,
        normaliser: Normaliser[T] | str | None,
        encryptor: IndexingEncryptor,
        accept_low_cardinality: bool = False,
        offload: Offload = in_place,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        rotates: bool = True,
    ) -> None:
        self.name = check_field_name(name)
        self.type = checked_type(type, accept_low_cardinality)
        self.tag_size = checked_size(tag_size)
        self._codec = Codec(type)
        self._normaliser = normaliser
        self._normalise = found_normaliser(normaliser, type)
        self._accepts_low_cardinality = accept_low_cardinality
        self._encryptor = encryptor
        self._offload = offload
        self._per_tenant = per_tenant
        self._accepts_default_key = accept_default_key
        self._path = path
        self._rotates = rotates
        head = message_head({FIELD_KEY: name} if path is None else {FIELD_KEY: name, PATH_KEY: path})
        self._macs = IndexMacs((head,), encryptor, offload, per_tenant, accept_default_key, rotates)

    @property
    def truncated(self) -> bool:
        """True if different values may share a tag, so that search results have to be checked (see `matches`)."""
        return self.tag_size < DEFAULT_TAG_SIZE

    def tag(self, value: T, *, tenant: str | None = None) -> bytes:
        """Return the tag to store next to a value.

        Args:
            value: exactly of the index's type.
            tenant: whose index key to use; it is made if there is none.

        Raises:
            TypeError: the value is None or not of the index's type; the tenant is not text.
            ValueError: value or tenant are out of range, or the normaliser refuses the value.
            NothingToTagError: a ValueError, for a value that is stored without a tag: a text without digits, with the
                normaliser "digits", a decimal number that is none, a time that has no year in UTC.
            KeyProviderError: the tenant's index key cannot be had from the key provider.
            KeyStoreError: it cannot be had from, or put into, the key store.
            ConfigurationError: the Encryptor has not been configured, or so that there can be no index keys.
        """
        try:
            message: Any = self._codec.encode(self.normalise(value))
            try:
                return self._macs.tagging(tenant)[0].tag(message, self.tag_size)
            except KeyWipedError:
                return unless_wiped(lambda: self._macs.tagging(tenant)[0].tag(message, self.tag_size))
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name, tenant=tenant)
        message = value = None  # type: ignore[assignment]  # no traceback has them
        raise refused

    def tags(self, value: T, *, tenant: str | NoTenant | None = None) -> list[bytes]:
        """Return the tags to search for: under every key with which a row may have been tagged, the active one first.

        Args:
            value: as for `tag`.
            tenant: whose rows to search. If it has no index key yet, there is nothing to find and no key is made.
                `NO_TENANT` for rows of no tenant, which None means too unless tenants have wrapping keys of their own.

        Raises:
            As `tag`.
        """
        try:
            message: Any = self._codec.encode(self.normalise(value))
            return unless_wiped(
                lambda: [heads[0].tag(message, self.tag_size) for heads in self._macs.searching(tenant)]
            )
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name, tenant=tenant)
        message = value = None  # type: ignore[assignment]  # likewise
        raise refused

    # What it has in common with a TermIndex

    needs_row: ClassVar[bool] = False
    most_tags: ClassVar[int] = 1

    def stored_tags(
        self, value: T, *, tenant: str | None = None, row: Mapping[str, str] | None = None
    ) -> tuple[bytes, ...]:
        """Return `tag`, as the only one."""
        return (self.tag(value, tenant=tenant),)

    def unsettled_until(self, tenant: str | None) -> float | None:
        """Return until when rows of a tenant may be tagged under an index key that another one follows, or None.

        Raises:
            As `tags`.
        """
        return self._macs.unsettled_until(tenant)

    @discreet
    def ask(self, question: Question) -> Answer | None:
        """Return how this index answers a question; None if it is not one for equality.

        Raises:
            TypeError, ValueError: as `tag`, for its values.
        """
        from fieldcrypt.search.answer import Answer
        from fieldcrypt.search.question import Equal

        if not isinstance(question, Equal):
            return None
        for value in question.values:
            self.normalise(value)
        wanted = question.values
        return Answer(not self.truncated, (0,), partial(self._tags_of, wanted), partial(self._is_any, wanted))

    def _tags_of(
        self, values: tuple[T, ...], tenant: str | NoTenant | None, levels: tuple[int, ...]
    ) -> tuple[tuple[bytes, ...], ...]:
        by_key = zip_longest(*(self.tags(value, tenant=tenant) for value in values))  # a key may be added in between
        return (tuple(dict.fromkeys(tag for tags in reversed(list(by_key)) for tag in sorted(filter(None, tags)))),)

    def _is_any(self, values: tuple[T, ...], value: T) -> bool:
        return any(self.matches(value, wanted) for wanted in values)

    def normalise(self, value: T) -> T:
        """Return the value that stands for all values that count as equal to this one.

        Raises:
            TypeError, ValueError: as for `tag`.
        """
        try:
            if self._normalise is not None:
                self._check(value)
                value = self._normalise(value)
            self._check(value)
            return canonical(value)
        except BaseException as error:
            del value
            emptied(error)
            raise

    def matches(self, one: T, other: T) -> bool:
        """Return True if two values count as equal: to drop the false positives of a search by truncated tags.

        A value that has nothing to tag is equal to none: if it was found, somebody copied a tag to its row.

        Raises:
            TypeError, ValueError: as for `tag`.
        """
        try:
            return self._codec.encode(self.normalise(one)) == self._codec.encode(self.normalise(other))
        except NothingToTagError:
            return False
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name)
        del one, other
        raise refused

    def forget(self) -> None:
        """Drop all that was prepared, so that the next value asks the keyring again."""
        self._macs.forget()

    def _check(self, value: Any) -> None:
        if type(value) is not self.type:
            raise TypeError(f"expected {self.type.__name__}, got {type(value).__name__}")

    def __reduce__(self) -> tuple[Any, ...]:
        how = {
            "tag_size": self.tag_size,
            "normaliser": self._normaliser,
            "accept_low_cardinality": self._accepts_low_cardinality,
            "offload": self._offload,
        }
        newer = {"per_tenant": self._per_tenant, "accept_default_key": self._accepts_default_key, "path": self._path}
        newer["rotates"] = self._rotates
        default = {"per_tenant": True, "accept_default_key": False, "path": None, "rotates": True}
        how |= dict(newer.items() - default.items())  # if there is none, 0.1 unpickles it as well
        return partial(self._encryptor.blind_index, self.name, self.type, **how), ()

    def __repr__(self) -> str:
        return f"BlindIndex({self.name!r}, {self.type.__name__}, tag_size={self.tag_size})"


def checked_type(type: Any, accept_low_cardinality: bool) -> Any:
    is_enum = isinstance(type, enum.EnumMeta)
    if not is_enum and type not in _TYPES:
        names = ", ".join(known.__name__ for known in _TYPES)
        raise TypeError(f"a blind index has one of the types {names} or an Enum class; not {type!r}")
    if not accept_low_cardinality and (type is bool or (is_enum and len(type) < MIN_MEMBERS)):
        raise ConfigurationError(
            f"equal values have equal tags, so among the few values of {type.__name__} the tags' frequencies tell "
            "which is which: search by something else, or if that is acceptable set accept_low_cardinality=True"
        )
    return type


def checked_size(size: int) -> int:
    if not isinstance(size, int) or isinstance(size, bool):
        raise TypeError("tag_size is a number of bytes")
    if not 1 <= size <= MAX_TAG_SIZE:
        raise ValueError(f"tag_size is 1 to {MAX_TAG_SIZE} bytes, not {size}")
    return size


def found_normaliser(normaliser: Normaliser[Any] | str | None, type: Any) -> Normaliser[Any] | None:
    if isinstance(normaliser, str):
        if type is not str:
            raise TypeError(f"the normaliser {normaliser!r} is one for str, not for {type.__name__}")
        if normaliser not in NORMALISERS:
            *most, last = NORMALISERS
            raise ValueError(f"unknown normaliser {normaliser!r}: use {', '.join(most)} or {last}")
        return NORMALISERS[normaliser]
    if normaliser is not None and not callable(normaliser):
        raise TypeError("a normaliser is a name or a function")
    return normaliser
