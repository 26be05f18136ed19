"""How a decorated model is searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from pynamodb.expressions.condition import Condition
from pynamodb.pagination import ResultIterator

from fieldcrypt.spi import discreet
from fieldcrypt_pynamodb.attribute.encrypted_model import EncryptedModel
from fieldcrypt_pynamodb.search.conditions import rewritten_condition, rewritten_filter
from fieldcrypt_pynamodb.search.projection import check_index, widened
from fieldcrypt_pynamodb.search.results import LastKey, Matches
from fieldcrypt_pynamodb.search.variants import Variant, variants

__all__ = ["ReadingModel"]

M = TypeVar("M", bound="ReadingModel")

_SCAN = Variant(None, None, {})


class ReadingModel(EncryptedModel):
    """A model whose methods take conditions on searchable attributes, and read what decryption needs."""

    @classmethod
    @discreet
    def get(
        cls: type[M],
        hash_key: Any,
        range_key: Any | None = None,
        consistent_read: bool = False,
        attributes_to_get: Sequence[str] | None = None,
    ) -> M:
        """As in PynamoDB."""
        return super().get(hash_key, range_key, consistent_read, widened(cls, attributes_to_get))

    @classmethod
    @discreet
    def batch_get(
        cls: type[M],
        items: Iterable[Any],
        consistent_read: bool | None = None,
        attributes_to_get: Sequence[str] | None = None,
    ) -> Iterator[M]:
        """As in PynamoDB."""
        return super().batch_get(items, consistent_read, widened(cls, attributes_to_get))

    @classmethod
    @discreet
    def query(
        cls: type[M],
        hash_key: Any,
        range_key_condition: Condition | None = None,
        filter_condition: Condition | None = None,
        consistent_read: bool = False,
        index_name: str | None = None,
        scan_index_forward: bool | None = None,
        limit: int | None = None,
        last_evaluated_key: LastKey | None = None,
        attributes_to_get: Iterable[str] | None = None,
        page_size: int | None = None,
        rate_limit: float | None = None,
    ) -> ResultIterator[M]:
        """As in PynamoDB. An index of tags is queried by the plain value of the attribute that it indexes.

        Raises:
            ProtectedAttributeError: DynamoDB cannot answer that, or what is found could not be compared.
        """
        found, searches = variants(cls, hash_key, range_key_condition, index_name)
        condition, more = rewritten_filter(filter_condition, cls)
        searches += more
        for index in {index_name, *(variant.index_name for variant in found)}:
            check_index(cls, index, searches)
        query = super().query

        def start(variant: Variant, last: LastKey | None) -> ResultIterator[M]:
            return query(
                variant.hash_key,
                variant.range_condition,
                filter_condition=condition,
                consistent_read=consistent_read,
                index_name=variant.index_name,
                scan_index_forward=scan_index_forward,
                limit=None if searches else limit,  # which counts what is found, and not what is read
                last_evaluated_key=last,
                attributes_to_get=widened(cls, attributes_to_get, searches),
                page_size=limit if page_size is None else page_size,
                rate_limit=rate_limit,
            )

        return (
            Matches(found, start, searches, limit, last_evaluated_key)
            if searches
            else start(found[0], last_evaluated_key)
        )

    @classmethod
    @discreet
    def scan(
        cls: type[M],
        filter_condition: Condition | None = None,
        segment: int | None = None,
        total_segments: int | None = None,
        limit: int | None = None,
        last_evaluated_key: LastKey | None = None,
        page_size: int | None = None,
        consistent_read: bool | None = None,
        index_name: str | None = None,
        rate_limit: float | None = None,
        attributes_to_get: Sequence[str] | None = None,
    ) -> ResultIterator[M]:
        """As in PynamoDB.

        Raises:
            ProtectedAttributeError: DynamoDB cannot answer that, or what is found could not be compared.
        """
        condition, searches = rewritten_filter(filter_condition, cls)
        check_index(cls, index_name, searches)
        scan = super().scan

        def start(_: Variant, last: LastKey | None) -> ResultIterator[M]:
            return scan(
                condition,
                segment=segment,
                total_segments=total_segments,
                limit=None if searches else limit,
                last_evaluated_key=last,
                page_size=limit if page_size is None else page_size,
                consistent_read=consistent_read,
                index_name=index_name,
                rate_limit=rate_limit,
                attributes_to_get=widened(cls, attributes_to_get, searches),
            )

        return (
            Matches([_SCAN], start, searches, limit, last_evaluated_key)
            if searches
            else start(_SCAN, last_evaluated_key)
        )

    @classmethod
    @discreet
    def count(
        cls,
        hash_key: Any | None = None,
        range_key_condition: Condition | None = None,
        filter_condition: Condition | None = None,
        consistent_read: bool = False,
        index_name: str | None = None,
        limit: int | None = None,
        rate_limit: float | None = None,
    ) -> int:
        """As in PynamoDB. DynamoDB counts tags: an item to which somebody copied a tag is counted.

        Raises:
            ProtectedAttributeError: DynamoDB cannot answer that; other values may have the tags.
        """
        condition = rewritten_condition(filter_condition, cls)
        found, searches = variants(cls, hash_key, range_key_condition, index_name)
        for each in searches:
            if not each.is_exact:
                raise each.inexact_error("count what a query finds, sum(1 for _ in index.query(value))")
        total = 0
        for variant in found:
            total += super().count(
                variant.hash_key,
                variant.range_condition,
                condition,
                consistent_read,
                variant.index_name,
                limit,  # which is the size of a page
                rate_limit,
            )
        return total
