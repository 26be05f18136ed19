"""Tags of the terms of values: what every index but the plain one for equality makes (SPEC section 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial
from itertools import count
from typing import Any, cast

from fieldcrypt.errors import ConfigurationError, FieldcryptError, located
from fieldcrypt.format._text import utf8
from fieldcrypt.format.cbor import encode_cbor
from fieldcrypt.format.codecs import BYTES_BYTE, CBOR, TEXT_BYTE
from fieldcrypt.format.context import FIELD_KEY, PATH_KEY, NoTenant, check_field_name, encode_context
from fieldcrypt.keys.live.wiped import unless_wiped
from fieldcrypt.normalisers import Normaliser, canonical
from fieldcrypt.offload import Offload, in_place
from fieldcrypt.search.answer import Answer, TagsByLevel
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, MIN_MEMBERS, checked_size, found_normaliser
from fieldcrypt.search.kinds.kind import Cover, Kind, KindOfLevels
from fieldcrypt.search.macs import Heads, IndexingEncryptor, IndexMacs, message_head
from fieldcrypt.search.question import Between, EndsWith, Equal, PartIs, Question, StartsWith
from fieldcrypt.tracebacks.frames import discreet, emptied

__all__ = ["TermIndex", "check_kind"]

_INDEX_KEY, _LEVEL_KEY = "fieldcrypt:index", "fieldcrypt:level"
_PARAMETERS_KEY, _PARTITION_KEY = "fieldcrypt:parameters", "fieldcrypt:partition"
_CBOR_BYTE = bytes([CBOR])

_MAX_PARTITIONS = 256
_MAX_NAME = 255  # bytes


class TermIndex:
    """Tags of the terms of the values of one field. Made by `Encryptor.search_index`; safe to use from many threads.

    Attributes:
        name: the field's.
        type: the Python type of its values.
        index: the index's name.
        kind: what its terms are.
        levels: of the kind.
        tag_size: bytes of a tag.
        per_tenant: tags are made under the index keys of the value's tenant.
        partitions: how many tags a value can have.
        needs_row: True if tags depend on the row, so that its context has to be named.
        most_tags: how many tags a search asks for at most under one index key.
    """

    def __init__(
        self,
        name: str,
        type: Any,
        index: str,
        kind: Kind,
        encryptor: IndexingEncryptor,
        *,
        tag_size: int = DEFAULT_TAG_SIZE,
        normaliser: Normaliser[Any] | str | None = None,
        offload: Offload = in_place,
        per_tenant: bool = True,
        accept_default_key: bool = False,
        path: str | None = None,
        partitions: int = 1,
        rotates: bool = True,
    ) -> None:
        kind.check(type)
        self.name = check_field_name(name)
        self.type, self.index, self.kind = type, index, kind
        self.tag_size = checked_size(tag_size)
        self.per_tenant, self.partitions = per_tenant, partitions
        self.levels = kind.levels()
        self.needs_row = partitions > 1 or any(level.may_lack for level in self.levels)
        self.most_tags = sum(level.most for level in self.levels) * partitions
        self._normalise = found_normaliser(normaliser, type)
        self._context = {FIELD_KEY: name, _INDEX_KEY: index} | ({} if path is None else {PATH_KEY: path})
        parameters = [kind.parameters] if kind.parameters else []
        parameters += [f"partitions {partitions}"] if partitions > 1 else []
        if parameters:
            self._context[_PARAMETERS_KEY] = " ".join(parameters)
        self._macs = IndexMacs(self._heads(), encryptor, offload, per_tenant, accept_default_key, rotates)
        self._again = (
            (name, type),
            {
                **{"index": index, "of": kind, "tag_size": tag_size, "normaliser": normaliser, "offload": offload},
                **{"accept_leakage": True, "accept_low_cardinality": True},  # the declaration accepted what it had to
                **{"per_tenant": per_tenant, "accept_default_key": accept_default_key, "path": path},
                **{"partitions": partitions, "rotates": rotates},
            },
        )
        self._encryptor = encryptor

    def _heads(self) -> tuple[bytes, ...]:
        """Return what messages begin with: of terms by level, and dummies or padding; or of terms by partition."""
        if self.partitions > 1:
            (level,) = self.levels
            terms = (self._head(level.name, **{_PARTITION_KEY: str(number)}) for number in range(self.partitions))
            return (*terms, self._head("partition"))
        names = [level.name for level in self.levels]
        if any(level.may_lack for level in self.levels):
            names += [f"dummy {level.suffix}" for level in self.levels]
        elif any(level.most > 1 for level in self.levels):
            names += [f"padding {level.suffix}" for level in self.levels]
        return tuple(map(self._head, names))

    def _head(self, level: str, **partition: str) -> bytes:
        return message_head({**self._context, _LEVEL_KEY: level, **partition})

    def stored_tags(
        self, value: Any, *, tenant: str | None = None, row: Mapping[str, str] | None = None
    ) -> tuple[bytes, ...]:
        """Return the tags to store next to a value, one for each level.

        Args:
            value: exactly of the index's type.
            tenant: whose index key to use; it is made if there is none.
            row: the context of the row that it stands in; needed if `needs_row`.

        Raises:
            As `BlindIndex.tag`; NothingToTagError for a value that is stored without tags.
        """
        try:
            forms: Any = self.kind.terms(self.normalise(value))
            where = self._row(row) if self.needs_row else b""
            return unless_wiped(lambda: self._stored_tags(forms, where, tenant))
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            refused = located(error, field=self.name, tenant=tenant)
        value = forms = None  # no traceback has them
        raise refused

    def _stored_tags(self, forms: Sequence[Any], where: bytes, tenant: str | None) -> tuple[bytes, ...]:
        heads, count, size = self._macs.tagging(tenant), len(forms), self.tag_size
        if self.partitions > 1:
            number = int.from_bytes(heads[-1].tag(where, 8), "big") % self.partitions
            return (heads[number].tag(_encoded(forms[0]), size),)
        return tuple(
            [  # faster than a generator
                heads[count + at].tag(where, size) if form is None else heads[at].tag(_encoded(form), size)
                for at, form in enumerate(forms)
            ]
        )

    def unsettled_until(self, tenant: str | None) -> float | None:
        """Return until when rows of a tenant may be tagged under an index key that another one follows, or None.

        Raises:
            As `BlindIndex.tags`.
        """
        return self._macs.unsettled_until(tenant)

    @discreet
    def ask(self, question: Question, level: int | None = None) -> Answer | None:
        """Return how this index answers a question; None if it does not. No key is needed for it.

        Args:
            question: with values as the field has them.
            level: the number of the level that is to answer it alone, if there are several.

        Raises:
            TypeError, ValueError: the question is out of range, or of another type than the values.
        """
        if not isinstance(question, self.kind.questions):
            return None
        if isinstance(question, PartIs) and question.part != getattr(self.kind, "name", None):
            return None
        try:
            asked = self._normal(question)
            cover = self.kind.cover(asked) if level is None else cast(KindOfLevels, self.kind).cover_at(asked, level)
        except (TypeError, ValueError) as error:
            refused = located(error, field=self.name)
        else:
            if cover is None:
                return None
            is_exact = cover.exact and self.tag_size >= DEFAULT_TAG_SIZE and self.partitions == 1
            pads = cover.padding is not None
            levels = tuple(at for at, forms in enumerate(cover.terms) if forms or (pads and level in (None, at)))
            return Answer(is_exact, levels, partial(self._tags, cover), partial(self._matches, asked))
        raise refused

    def normalise(self, value: Any) -> Any:
        """Return the value that stands for all values that count as equal to this one.

        Raises:
            TypeError, ValueError: as for `BlindIndex.tag`.
        """
        try:
            self._check(value)
            if self._normalise is not None:
                value = self._normalise(value)
                self._check(value)
            return canonical(value)
        except BaseException as error:
            del value
            emptied(error)
            raise

    def _check(self, value: Any) -> None:
        if type(value) is not self.type:
            raise TypeError(f"expected {self.type.__name__}, got {type(value).__name__}")

    def _normal(self, question: Question) -> Question:
        match question:
            case Equal(values):
                return Equal(tuple(map(self.normalise, values)))
            case StartsWith(text) | EndsWith(text):
                return type(question)(self.normalise(text))
            case PartIs(part, values) if self._normalise is not None and self.type is str:
                return PartIs(part, tuple(self.normalise(each) if type(each) is str else each for each in values))
            case Between(low, high, with_low, with_high):
                low, high = (None if end is None else self.normalise(end) for end in (low, high))
                return Between(low, high, with_low, with_high)
        return question

    def _row(self, row: Mapping[str, str] | None) -> bytes:
        if not row:
            raise ConfigurationError(f"the index {self.index} of {self.name} needs values that are bound to their row")
        return encode_context(row)

    @discreet
    def _tags(self, cover: Cover, tenant: str | NoTenant | None, levels: tuple[int, ...]) -> TagsByLevel:
        try:
            return unless_wiped(lambda: self._tags_by_level(cover, tenant, levels))
        except (FieldcryptError, TypeError, ValueError) as error:
            refused = located(error, field=self.name, tenant=tenant)
        raise refused

    def _tags_by_level(self, cover: Cover, tenant: str | NoTenant | None, levels: tuple[int, ...]) -> TagsByLevel:
        found: list[dict[bytes, None]] = [{} for _ in self.levels]
        for heads in reversed(self._macs.searching(tenant)):
            for at in levels:
                found[at].update(dict.fromkeys(sorted(self._level_tags(heads, at, cover, found[at].keys()))))
        return tuple(map(tuple, found))

    def _level_tags(self, heads: Heads, at: int, cover: Cover, known: Set[bytes]) -> Set[bytes]:
        """Return the tags of a level under one index key, besides those that are known under another one."""
        macs = heads[:-1] if self.partitions > 1 else (heads[at],)
        tags = {mac.tag(message, self.tag_size) for message in map(_encoded, cover.terms[at]) for mac in macs} - known
        if cover.padding is not None:  # padded to the most that there can be, though short tags may be the same
            most = min(cover.most or self.levels[at].most, 256**self.tag_size - len(known))
            padding, numbers = heads[len(self.levels) + at], count()
            while len(tags) < most:
                tags |= {padding.tag(_encoded([*cover.padding, next(numbers)]), self.tag_size)} - known
        return tags

    @discreet
    def _matches(self, question: Question, value: Any) -> bool:
        try:
            return self.kind.holds(self.normalise(value), question)
        except ValueError:  # it can have no tags, so these were copied
            return False

    def forget(self) -> None:
        """Drop all that was prepared, so that the next value asks the keyring again."""
        self._macs.forget()

    def __reduce__(self) -> tuple[Any, ...]:
        args, how = self._again
        return partial(self._encryptor.search_index, *args, **how), ()

    def __repr__(self) -> str:
        return f"TermIndex({self.name!r}, {self.index!r})"


def _encoded(form: Any) -> bytes:
    """Return the plaintext of a form (SPEC section 5)."""
    if type(form) is str:
        return TEXT_BYTE + utf8(form)
    return BYTES_BYTE + form if type(form) is bytes else _CBOR_BYTE + encode_cbor(form)


def check_kind(
    index: str, of: Kind | None, partitions: int, accept_leakage: bool, accept_low_cardinality: bool
) -> None:
    """Refuse what tells too much, or cannot be, before there is a field.

    Raises:
        ConfigurationError: see `IndexedBy`.
    """
    if not isinstance(index, str) or not 1 <= len(utf8(index, "the name of an index")) <= _MAX_NAME:
        raise ConfigurationError(f"the name of an index is a text of 1 to {_MAX_NAME} bytes")
    if of is not None and not isinstance(getattr(of, "questions", None), tuple):
        raise ConfigurationError(
            f"{index}: of= takes what fieldcrypt.search declares: last(4), domain(), Prefixes(3, 8), Range(…), …"
        )
    if type(partitions) is not int or not 1 <= partitions <= _MAX_PARTITIONS:
        raise ConfigurationError(f"{index}: the number of partitions is 1 to {_MAX_PARTITIONS}")
    if of is None:
        return
    if of.needs_leakage and not accept_leakage:
        raise ConfigurationError(
            f"{index}: prefixes, suffixes and ranges tell nearly the order of values to somebody who knows how common "
            "they are (docs/guides/blind-index.md): if that is acceptable, set accept_leakage=True"
        )
    if of.needs_leakage and partitions > 1:
        raise ConfigurationError(f"{index}: partitions are for indexes for equality, of whole values or of parts")
    values = min((level.values for level in of.levels() if level.values is not None), default=MIN_MEMBERS)
    if values < MIN_MEMBERS and not accept_low_cardinality:
        raise ConfigurationError(
            f"{index}: equal parts have equal tags, so among {values} of them frequencies tell which is which: "
            "index more of the value, or if that is acceptable set accept_low_cardinality=True"
        )
