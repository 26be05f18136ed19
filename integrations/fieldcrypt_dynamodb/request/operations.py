"""Every operation of DynamoDB, and what becomes of it. One that is not named here is refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from fieldcrypt import ConfigurationError

__all__ = ["ENCRYPTED", "NOT_ON_PROTECTED", "PASSED", "READS", "check_kind", "of_boto3", "table_name", "tables_named"]

# Items are encrypted and decrypted.
ENCRYPTED = frozenset(
    {"put_item", "get_item", "update_item", "delete_item", "query", "scan"}
    | {"batch_get_item", "batch_write_item", "transact_get_items", "transact_write_items"}
)

# Of these, what reads items of one table.
READS = frozenset({"get_item", "query", "scan"})

# Refused on protected tables, with the reason; an export only if it has a filter.
NOT_ON_PROTECTED = {
    "execute_statement": "a PartiQL statement would send values as they are: use the operations on items",
    "batch_execute_statement": "PartiQL statements would send values as they are: use the operations on items",
    "execute_transaction": "PartiQL statements would send values as they are: use transact_write_items",
    "import_table": "it would take the files as they are: boto3's own client imports what encrypt_item made",
    "start_bulk_put_items": "it would make plain items of the files: put them with batch_write_item",
    "export_table_to_point_in_time": "its filter would send values as they are, to be compared with ciphertext",
    "search_vectors": "vectors cannot be searched when they are encrypted, and what it finds would stay encrypted",
}

# They carry no item: tables, backups, settings, streams, exports of what is stored.
PASSED = frozenset(
    {"cancel_bulk_operation", "create_backup", "create_global_table", "create_table", "delete_backup"}
    | {"delete_resource_policy", "delete_table", "describe_backup", "describe_bulk_operation"}
    | {"describe_continuous_backups", "describe_contributor_insights", "describe_endpoints", "describe_export"}
    | {"describe_global_table", "describe_global_table_settings", "describe_import"}
    | {"describe_kinesis_streaming_destination", "describe_limits", "describe_table"}
    | {"describe_table_replica_auto_scaling", "describe_time_to_live", "disable_kinesis_streaming_destination"}
    | {"enable_kinesis_streaming_destination", "get_resource_policy"}
    | {"list_backups", "list_bulk_operations", "list_contributor_insights", "list_exports", "list_global_tables"}
    | {"list_imports", "list_tables", "list_tags_of_resource", "put_resource_policy", "restore_table_from_backup"}
    | {"restore_table_to_point_in_time", "tag_resource", "untag_resource", "update_continuous_backups"}
    | {"update_contributor_insights", "update_global_table", "update_global_table_settings"}
    | {"update_kinesis_streaming_destination", "update_table", "update_table_replica_auto_scaling"}
    | {"update_time_to_live"}
)


def of_boto3(wrapped: Any, name: str) -> Any:
    """Return an attribute of what is wrapped.

    Raises:
        AttributeError: it has none of this name.
    """
    if name == "of_tenant":  # a method in 0.1
        raise AttributeError('of_tenant is a function: of_tenant(table, "clinic-7"), from fieldcrypt_dynamodb')
    return getattr(wrapped, name)


def check_kind(wrapper: str, wrapped: Any, *, asynchronous: bool) -> None:
    """Check that what is wrapped is async if the wrapper is, and only then.

    Args:
        wrapper: its name.
        wrapped: what it is given. None of its properties is read, because that could call AWS.
        asynchronous: True if the wrapper's calls have to be awaited.

    Raises:
        ConfigurationError: they do not, or what is given has to be awaited itself.
    """
    kind = type(wrapped).__name__
    members = (inspect.getattr_static(wrapped, name, None) for name in ("__aenter__", "get_item"))
    if inspect.isawaitable(wrapped):
        raise ConfigurationError(f"a {kind} is async: {wrapper} takes what awaiting it gives")
    if any(map(inspect.iscoroutinefunction, members)):
        if not asynchronous:
            raise ConfigurationError(f"a {kind} is async, as what aioboto3 makes is: use Async{wrapper}")
        if inspect.getattr_static(wrapped, "meta", None) is None:
            raise ConfigurationError(f"a {kind} makes what {wrapper} takes: use async with")
    elif asynchronous:
        raise ConfigurationError(f"a {kind} is not async, as what aioboto3 makes is: use {wrapper[len('Async') :]}")


def table_name(given: Any) -> str | None:
    """Return the name of the table that a request names, by name or ARN, or that of an index; None if that is not text.

    An Enum member that is a text is sent as that text, and not as what `str` makes of it.
    """
    if not isinstance(given, str):
        return None
    name = str.__str__(given)
    return name.rpartition(":table/")[2].partition("/")[0] if name.startswith("arn:") else name


def tables_named(operation: str, params: Mapping[str, Any]) -> Iterator[str]:
    """Yield what names tables in a request of `NOT_ON_PROTECTED`: names, ARNs, or whole statements."""
    if operation == "execute_statement":
        yield _text(params.get("Statement"))
    elif operation == "batch_execute_statement":
        yield from (_text(each.get("Statement")) for each in params.get("Statements", ()))
    elif operation == "execute_transaction":
        yield from (_text(each.get("Statement")) for each in params.get("TransactStatements", ()))
    elif operation == "import_table":
        yield _text(params.get("TableCreationParameters", {}).get("TableName"))
    elif operation == "export_table_to_point_in_time":
        if "FilterSpecification" in params:
            yield _text(params.get("TableArn"))
    else:
        yield _text(params.get("TableName"))


def _text(given: Any) -> str:
    return str.__str__(given) if isinstance(given, str) else str(given)
