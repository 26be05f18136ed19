"""Queries and scans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fieldcrypt import DecryptionError
from fieldcrypt_dynamodb.errors import ProtectedAttributeError, placed_error
from fieldcrypt_dynamodb.expression.conditions import Condition, KeySearch, meets, rewrite, rewrite_key
from fieldcrypt_dynamodb.expression.placeholders import Placeholders
from fieldcrypt_dynamodb.item.plaintext import key_of
from fieldcrypt_dynamodb.item.unreadable import Unreadable
from fieldcrypt_dynamodb.request.exchange import Exchange, Params
from fieldcrypt_dynamodb.request.pages import joined
from fieldcrypt_dynamodb.request.parameters import boto3_params
from fieldcrypt_dynamodb.request.prepared import PreparedRequests

__all__ = ["SearchRequests"]

_FILTER, _KEY = "FilterExpression", "KeyConditionExpression"


class SearchRequests(PreparedRequests):
    """The operations on one protected table that find items."""

    def query(self, params: Params) -> Exchange:
        """Decrypt what is found by key. If the key of an index is a tag, ask for each tag of the value."""
        params, mark = boto3_params(params)
        new, placeholders = self._prepared("query", params)
        search: KeySearch | None = None
        condition = None
        if _KEY in new:
            condition, search = rewrite_key(new[_KEY], self.table, placeholders, self._form, self.items.tenant_text)
            new[_KEY] = condition.text
        return self._search(new, placeholders, condition, search, mark)

    def scan(self, params: Params) -> Exchange:
        """Decrypt what is found."""
        params, mark = boto3_params(params)
        new, placeholders = self._prepared("scan", params)
        return self._search(new, placeholders, None, None, mark)

    def _search(
        self, new: Params, placeholders: Placeholders, by_key: Condition | None, search: KeySearch | None, mark: bool
    ) -> Exchange:
        conditions = [by_key] if by_key is not None else []
        if _FILTER in new:
            condition = rewrite(
                new[_FILTER], self.table, placeholders, self._form, self.items.tenant_text, compares=True
            )
            new[_FILTER] = condition.text
            conditions.append(condition)
        comparisons = [each for condition in conditions for each in condition.comparisons]
        counted = new.get("Select") == "COUNT"
        if counted and not all(search.is_exact for _, search in comparisons):
            raise ProtectedAttributeError(
                "items that were found by tags that other values share, such as those shorter than 16 bytes, cannot be "
                "counted by DynamoDB: it would count those of other values too"
            )
        compared = {name for members, _ in comparisons for name in members}
        sealed = self.table.sealed
        asked_about = {name for condition in conditions for name in condition.attributes if name in sealed}
        projection = self._projected(new, placeholders, compared | asked_about)
        placeholders.put_into(new)
        response = yield from self._sent(new) if search is None else self._sent_per_tag(new, search)
        if "LastEvaluatedKey" in response:
            response = {**response, "LastEvaluatedKey": self._form.deserialize_item(response["LastEvaluatedKey"])}
        if counted:
            return response
        found = self.reads.sought(response.get("Items", ()))
        items = [self.reads.decrypted(item, whole=projection.verifies, mark=mark) for item in found]
        if "IndexName" in new:
            self._check_projected(items, compared, mark)
        kept = [
            item if mark and self._is_uncertain(item, compared | asked_about) else projection.cut(item, self._form)
            for item in items
            if meets(item, comparisons, self.items)
        ]
        return {**response, "Items": kept, "Count": len(kept)}

    def _check_projected(self, items: list[dict[str, Any]], compared: Iterable[str], mark: bool) -> None:
        for item in items:
            for name in compared:
                if self.items.value_of(item, name) is None:
                    where = f"{self.table.name}.{name}"
                    lacks = f"{where} is missing, though the item was found by it: let the index project it"
                    error = placed_error(DecryptionError(lacks), where, key_of(item, self.table.key, self._form))
                    if not mark:
                        raise error
                    item[self.table.paths[name].first if name in self.table.paths else name] = Unreadable(error)

    def _is_uncertain(self, item: dict[str, Any], looked_at: Iterable[str]) -> bool:
        """Return True if what an item was found by cannot be read, so that the whole item is returned to be judged."""
        return any(self.items.value_of(item, name).__class__ is Unreadable for name in looked_at)

    def _sent_per_tag(self, new: Params, search: KeySearch) -> Exchange:
        """Ask for one tag after the other, and return the first page that is not the last of its tag.

        Those of the active index key come last, so that items that are tagged again meanwhile are not missed.
        While DynamoDB has more for a tag, its LastEvaluatedKey has the tag, which says where to continue. If a tag ends
        where the limit is reached, the page has one item more, of the next tag: without it there would be no key.
        """
        start = new.get("ExclusiveStartKey")
        tags = search.tags
        if start is not None and search.companion in start:
            tag = start[search.companion]
            if tag not in tags:
                raise ProtectedAttributeError(
                    f"ExclusiveStartKey is none of this query of {self.table.name}, or of one under a retired index key"
                )
            tags = tags[tags.index(tag) :]
        found: dict[str, Any] = {}
        for tag in tags:
            request = dict(new)
            request["ExpressionAttributeValues"] = {
                **new["ExpressionAttributeValues"],
                search.placeholder: tag,
            }
            if found:
                request.pop("ExclusiveStartKey", None)
                if "Limit" in new:
                    request["Limit"] = max(1, new["Limit"] - found["ScannedCount"])
            found = joined(found, (yield from self._sent(request)))
            if "LastEvaluatedKey" in found:
                break
        return found
