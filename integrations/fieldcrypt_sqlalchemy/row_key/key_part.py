"""The parts of a key as a database gives them back: values are bound to that form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import BINARY, CHAR
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from fieldcrypt import ConfigurationError
from fieldcrypt_sqlalchemy.internals.column import variant_mapping
from fieldcrypt_sqlalchemy.row_key.key_types import KeyRule, listed_rule, overrides_processing, refused_type_error

__all__ = ["AsStored", "as_stored"]

AsStored = Callable[[Any], Any]

_DIALECT = DefaultDialect()
_OTHERS: tuple[Callable[[], Dialect], ...] = (sqlite.dialect, postgresql.dialect, mysql.dialect, MariaDBDialect)
_DIALECTS = (_DIALECT, *(dialect() for dialect in _OTHERS))


def as_stored(name: str, type_: TypeEngine[Any]) -> AsStored | None:
    """Return what turns a value that an application gives into what it will read; None if that is the same.

    What it returns is applied to values that were read as well, and leaves those as they are. So each part of a key has
    one text, wherever it is from. For a member of an Enum it is its name in Python, also where `values_callable` makes
    the database keep another text: values that were written before are bound to the name.

    Args:
        name: the attribute's, for messages.
        type_: its column's.

    Raises:
        ConfigurationError: the type, or one of its variants, is not listed in `key_types`.
    """
    if isinstance(type_, NullType):
        return None  # a foreign key's column whose table is not known yet; `key_column` says what to do about it
    return _on_every_database(name, type_).apply


def _on_every_database(name: str, type_: TypeEngine[Any]) -> KeyRule:
    return _combined(name, (_of_type(name, each) for each in _everywhere(type_)))


def _everywhere(type_: TypeEngine[Any]) -> Iterator[TypeEngine[Any]]:
    """Yield what a type is on one database or another."""
    yield type_
    yield from variant_mapping(type_).values()


def _combined(name: str, candidates: Iterable[KeyRule]) -> KeyRule:
    """Return the one rule that holds on all databases.

    Raises:
        ConfigurationError: the databases would give back values of different kinds.
    """
    rules = list({rule.text: rule for rule in candidates}.values())
    kinds = {rule.kind for rule in rules if rule.kind is not None}
    if len(kinds) > 1:
        spelt = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ConfigurationError(
            f"{name} is {spelt}, depending on the database: give all variants of its type values of one kind"
        )
    if len(rules) == 1:
        return rules[0]
    steps = [rule.apply for rule in rules]

    def all_of_them(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return KeyRule(" ".join(rule.text for rule in rules), next(iter(kinds), None), all_of_them)


def _of_type(name: str, type_: TypeEngine[Any]) -> KeyRule:
    if isinstance(type_, postgresql.DOMAIN):
        return _on_every_database(name, type_.data_type)
    if isinstance(type_, TypeDecorator):
        return _decorated(name, type_)
    return listed_rule(name, type_)


# Types of the application's own


def _decorated(name: str, type_: TypeDecorator[Any]) -> KeyRule:
    """Return what a user's own type, and the type within it, make of a value on its way to the database and back."""
    if overrides_processing(type_):
        raise refused_type_error(name, type_)
    binds = type(type_).process_bind_param is not TypeDecorator.process_bind_param
    reads = type(type_).process_result_value is not TypeDecorator.process_result_value
    if binds and reads:  # the application sees to it that values come back, whatever it makes of them in between
        inner = _combined(name, (_of_any_type(name, each) for each in _kept_as(type_)))
    else:
        inner = _combined(name, (_of_type(name, each) for each in _kept_as(type_)))
    if not binds and not reads:
        return inner
    keep = inner.apply

    def there_and_back(value: Any) -> Any:
        if binds:
            value = type_.process_bind_param(value, _DIALECT)
        value = keep(value)
        return type_.process_result_value(value, _DIALECT) if reads else value

    return KeyRule(f"{id(type_)} {inner.text}", None, there_and_back)


def _kept_as(type_: TypeDecorator[Any]) -> Iterator[TypeEngine[Any]]:
    """Yield the types that a user's own type is kept as, with those that it chooses by the database."""
    for dialect in _DIALECTS:
        yield from _everywhere(type_.load_dialect_impl(dialect))


def _of_any_type(name: str, type_: TypeEngine[Any]) -> KeyRule:
    """Return what becomes of a value that an application's own type made, and will make into a key again."""
    if isinstance(type_, TypeDecorator):
        return _decorated(name, type_)
    if not isinstance(type_, (CHAR, BINARY)):
        return KeyRule("", None, lambda value: value)
    rule, kind = listed_rule(name, type_), str if isinstance(type_, CHAR) else bytes
    apply = rule.apply
    return KeyRule(f"own {rule.text}", None, lambda value: apply(value) if isinstance(value, kind) else value)
