"""Tags of the terms of values: what every index but the plain one for equality makes (SPEC section 14)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.hmac import HMAC

from fieldcrypt.errors import ConfigurationError, FieldcryptError, located
from fieldcrypt.format.codecs import Codec
from fieldcrypt.format.context import FIELD_KEY, PATH_KEY, NoTenant, check_field_name, encode_context
from fieldcrypt.normalisers import Normaliser, NothingToTagError
from fieldcrypt.offload import Offload, in_place
from fieldcrypt.search.blind_index import DEFAULT_TAG_SIZE, checked_size, found_normaliser
from fieldcrypt.search.kind import Cover, Kind
from fieldcrypt.search.macs import IndexingEncryptor, IndexMacs, message_head
from fieldcrypt.search.question import Between, EndsWith, Equal, PartIs, Question, StartsWith

__all__ = ["Answer", "TermIndex"]

_PREFIX = "fieldcrypt:"


class TermIndex:
    """Tags of the terms of the values of one field. Made by `Encryptor.search_index`; safe to use from many threads.

    Attributes:
        name: the field's.
        index: the index's.
        kind: what its terms are.
        levels: of the kind.
        tag_size: bytes of a tag.
        per_tenant: tags are made under the index keys of the value's tenant.
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
        parameters = [
            each for each in (kind.parameters, f"partitions {partitions}" if partitions > 1 else None) if each
        ]
        self._context = {FIELD_KEY: name, f"{_PREFIX}index": index}
        if path is not None:
            self._context[PATH_KEY] = path
        if parameters:
            self._context[f"{_PREFIX}parameters"] = " ".join(parameters)
        self._macs = IndexMacs(self._heads(), encryptor, offload, per_tenant, accept_default_key, rotates)

    def _heads(self) -> tuple[bytes, ...]:
        """Return those of terms by partition and level, of dummies and of padding by level, and of the partition."""
        heads = []
        for partition in range(self.partitions):
            of = {} if self.partitions == 1 else {f"{_PREFIX}partition": str(partition)}
            heads += [self._head(level.name, **of) for level in self.levels]
        heads += [self._head(f"dummy {level.suffix or 0}") for level in self.levels]
        heads += [self._head(f"padding {level.suffix or 0}") for level in self.levels]
        return (*heads, self._head("partition"))

    def _head(self, level: str, **more: str) -> bytes:
        return message_head({**self._context, f"{_PREFIX}level": level, **more})

    def stored_tags(
        self, value: Any, *, tenant: str | None = None, row: Mapping[str, str] | None = None
    ) -> tuple[bytes, ...]:
        """Return the tags to store beside a value, one for each level.

        Args:
            value: exactly of the index's type.
            tenant: whose index key to use; it is made if there is none.
            row: the context of the row that it stands in; needed if `needs_row`.

        Raises:
            As `BlindIndex.tag`; NothingToTagError for a value that is stored without tags.
        """
        try:
            forms = self.kind.terms(self.normalise(value))
            heads = self._macs.tagging(tenant)
            where = self._row(row) if self.needs_row else b""
            first = self._partition(heads, where) * len(self.levels)
            dummies = self.partitions * len(self.levels)
            return tuple(
                self._tag(heads[dummies + at], where) if form is None else self._tag(heads[first + at], _encoded(form))
                for at, form in enumerate(forms)
            )
        except (FieldcryptError, TypeError, ValueError) as error:
            refused = located(error, field=self.name, tenant=tenant)
        raise refused

    def ask(self, question: Question) -> Answer | None:
        """Return how this index answers a question; None if it does not. No key is needed for it.

        Raises:
            TypeError, ValueError: the question is out of range, or of another type than the values.
        """
        try:
            normal = self._normal(question)
            cover = self.kind.cover(normal)
        except (TypeError, ValueError) as error:
            refused = located(error, field=self.name)
        else:
            return None if cover is None else Answer(self, normal, cover)
        raise refused

    def normalise(self, value: Any) -> Any:
        """Return the value that stands for all values that count as equal to this one."""
        if type(value) is not self.type:
            raise TypeError(f"expected {self.type.__name__}, got {type(value).__name__}")
        return value if self._normalise is None else self._normalise(value)

    def _normal(self, question: Question) -> Question:
        match question:
            case Equal(values):
                return Equal(tuple(map(self.normalise, values)))
            case StartsWith(text) | EndsWith(text):
                return type(question)(self.normalise(text))
            case PartIs(part, values) if self._normalise is not None and all(
                type(each) is self.type for each in values
            ):
                return PartIs(part, tuple(map(self._normalise, values)))
            case Between(low, high, with_low, with_high):
                low, high = (None if end is None else self.normalise(end) for end in (low, high))
                return Between(low, high, with_low, with_high)
        return question

    def _row(self, row: Mapping[str, str] | None) -> bytes:
        if not row:
            raise ConfigurationError(f"the index {self.index} of {self.name} needs values that are bound to their row")
        return encode_context(row)

    def _partition(self, heads: tuple[HMAC, ...], where: bytes) -> int:
        return 0 if self.partitions == 1 else int.from_bytes(_mac(heads[-1], where)[:8], "big") % self.partitions

    def _tag(self, mac: HMAC, message: bytes) -> bytes:
        return _mac(mac, message)[: self.tag_size]

    def _tags(self, answer: Answer, tenant: str | NoTenant | None, level: int | None) -> tuple[tuple[bytes, ...], ...]:
        found: list[set[bytes]] = [set() for _ in self.levels]
        for heads in self._macs.searching(tenant):
            for at in answer.levels if level is None else (level,):
                forms = answer.cover.terms[at]
                for form in forms:
                    message = _encoded(form)
                    for partition in range(self.partitions):
                        found[at].add(self._tag(heads[partition * len(self.levels) + at], message))
                padding = heads[(self.partitions + 1) * len(self.levels) + at]
                if answer.is_padded:
                    for number in range(self.levels[at].most - len(forms)):
                        found[at].add(self._tag(padding, _encoded([*answer.ends, number])))
        return tuple(tuple(sorted(tags)) for tags in found)

    def forget(self) -> None:
        """Drop all that was prepared, so that the next value asks the keyring again."""
        self._macs.forget()

    def __repr__(self) -> str:
        return f"TermIndex({self.name!r}, {self.index!r})"


class Answer:
    """How an index answers a question.

    Attributes:
        index: which does.
        question: with normalised values.
        cover: its terms.
        is_exact: True if every row that has one of the tags is what was looked for; else values have to be compared
            after decryption.
    """

    __slots__ = ("cover", "index", "is_exact", "question")

    def __init__(self, index: TermIndex, question: Question, cover: Cover) -> None:
        self.index, self.question, self.cover = index, question, cover
        self.is_exact = cover.exact and index.tag_size >= DEFAULT_TAG_SIZE and index.partitions == 1

    @property
    def is_padded(self) -> bool:
        """True if the number of its tags is always the most that the declaration can need."""
        return isinstance(self.question, Between)

    @property
    def ends(self) -> list[Any]:
        """What the padding of a question depends on, so that it is the same when it is asked again."""
        return [self.question.low, self.question.high] if isinstance(self.question, Between) else []

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels at which there is something to look for."""
        return tuple(at for at, forms in enumerate(self.cover.terms) if forms or self.is_padded)

    def tags(self, tenant: str | NoTenant | None, level: int | None = None) -> tuple[tuple[bytes, ...], ...]:
        """Return the tags to look for, for each level, in the order of their bytes.

        Args:
            tenant: whose rows to search.
            level: the number of the only level whose tags are wanted; those of others are left out.

        Raises:
            As `BlindIndex.tags`.
        """
        try:
            return self.index._tags(self, tenant, level)
        except (FieldcryptError, TypeError, ValueError) as error:
            refused = located(error, field=self.index.name, tenant=tenant)
        raise refused

    def matches(self, value: Any) -> bool:
        """Return True if a decrypted value is what was looked for."""
        try:
            return self.index.kind.holds(self.index.normalise(value), self.question)
        except NothingToTagError:
            return False

    def __repr__(self) -> str:
        return f"Answer({self.index!r})"


def _mac(mac: HMAC, message: bytes) -> bytes:
    mac = mac.copy()
    mac.update(message)
    return mac.finalize()


def _encoded(form: Any) -> bytes:
    return Codec(type(form)).encode(form)
