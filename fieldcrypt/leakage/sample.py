"""A sample of a field, and what its indexes make of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from fieldcrypt.declaration.field_indexes import FieldIndexes
from fieldcrypt.declaration.indexed_by import IndexedBy
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.keys.providers.provider import LocalKeyProvider
from fieldcrypt.keys.stores.store import MemoryKeyStore
from fieldcrypt.leakage.column import Column
from fieldcrypt.normalisers import NothingToTagError

__all__ = ["SampledField", "SampledIndex", "sampled_indexes"]


@dataclass(frozen=True, slots=True, repr=False)
class SampledField:
    """The values of a field in some rows.

    Attributes:
        name: of the field, or of a compound index.
        indexes: as they are declared; no key of theirs is used.
        values: as the indexes take them; None where there is none.
        contexts: of the rows, which some tags depend on.
        tenants: of the rows.
    """

    name: str
    indexes: FieldIndexes
    values: Sequence[Any]
    contexts: Sequence[Mapping[str, str] | None]
    tenants: Sequence[str | None]


@dataclass(frozen=True, slots=True, repr=False)
class SampledIndex:
    """One index of a field, and the tags that it would have in the rows.

    Attributes:
        how: its declaration.
        index: under a key that nobody keeps.
        columns: a column for each level.
        refused: how many values it refuses, because they are beyond its bounds.
        seconds: how long it takes to make the tags of one row.
    """

    of: SampledField
    how: IndexedBy
    index: FieldIndexes
    columns: tuple[Column, ...]
    refused: int
    seconds: float


def sampled_indexes(field: SampledField) -> Iterator[SampledIndex]:
    """Tag a sample under keys made for it, so that nothing is written, and no key is asked for."""
    encryptor = Encryptor(LocalKeyProvider.generate(), MemoryKeyStore())
    for how, declared in field.indexes.indexes:
        made = how.search_index(encryptor, declared.name, declared.type)
        yield _sampled(field, how, made)


def _sampled(field: SampledField, how: IndexedBy, made: Any) -> SampledIndex:
    tags: list[Sequence[Hashable]] = []
    terms: list[Sequence[Hashable]] = []
    width, refused = len(how.of.levels()) if how.of is not None else 1, 0
    nothing = (None,) * width
    began = perf_counter()
    for value, context, tenant in zip(field.values, field.contexts, field.tenants, strict=True):
        try:
            tags.append(nothing if value is None else made.stored_tags(value, tenant=tenant, row=context))
        except NothingToTagError:
            tags.append(nothing)
        except ValueError:
            tags.append(nothing)
            refused += 1
    seconds = (perf_counter() - began) / max(1, len(tags))
    for value, tenant, of_row in zip(field.values, field.tenants, tags, strict=True):
        forms = nothing if of_row is nothing else _terms(how, made, value)
        owner = tenant if how.per_tenant else None
        terms.append([None if form is None else (owner, form) for form in forms])
    names = how.companions if len(how.companions) == width else [f"{how.companion} {at + 1}" for at in range(width)]
    columns = tuple(
        Column(name, list(level), list(truth), how.partitions)
        for name, level, truth in zip(names, zip(*tags, strict=True), zip(*terms, strict=True), strict=True)
    )
    return SampledIndex(field, how, FieldIndexes(field.name, ((how, made),)), columns, refused, seconds)


def _terms(how: IndexedBy, made: Any, value: Any) -> Sequence[Hashable]:
    normal = made.normalise(value)
    return [_hashable(form) for form in ((normal,) if how.of is None else how.of.terms(normal))]


def _hashable(form: Any) -> Hashable:
    return tuple(map(_hashable, form)) if isinstance(form, (list, tuple)) else form
