"""`fieldcrypt keys`: the next data key, and what becomes of those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from fieldcrypt import _system
from fieldcrypt.cli.keys.key_id import parse_key_id
from fieldcrypt.cli.migrations import all_migrations
from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, fail, print_json, printable, say, utc
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, KeyProviderError, KeyStoreError
from fieldcrypt.format._text import counted, tenant_text
from fieldcrypt.keys.index.choice import retires_from, settling_time
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.record import KeyRecord, Purpose
from fieldcrypt.keys.record.tombstone import Tombstone
from fieldcrypt.keys.rotation import encrypts_from
from fieldcrypt.migration import CountsValues

__all__ = ["print_tagging_time", "rotation", "start_of"]

rotation = typer.Typer()

TenantOption = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose key. Default: the key of no tenant.")]
EveryOption = Annotated[bool, typer.Option("--all", help="The keys of all tenants.")]


@rotation.command()
def rotate(
    encryptor: EncryptorOption = None,
    tenant: TenantOption = None,
    every: EveryOption = False,
    index: Annotated[bool, typer.Option("--index", help="Index keys instead of keys that encrypt.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the next data key now, whatever the age of the last one. It encrypts after its propagation delay.

    With --index, make the next index key, which tags once every process knows it.
    """
    purpose = Purpose.BLIND_INDEX if index else Purpose.ENCRYPTION
    found = find_encryptor(encryptor)
    made, failed, tagging_ends = [], False, 0.0
    for each in _tenants(found, tenant, every, purpose):
        try:
            record = found.data_keys.rotate(each, purpose)
        except KeyProviderError as error:
            if not (every and found.provider.by_tenant):
                raise
            failed = True  # usually this tenant's key, which must not stop the others
            typer.echo(printable(f"{tenant_text(each)}: {error}"), err=True)
            continue
        start = start_of(record, found.policy)
        tagging_ends = max(tagging_ends, retires_from(record, found.policy))
        made.append({"tenant": record.tenant, "key_id": record.key_id.hex(), "from": start})
        if not as_json:
            does = "tags" if index else "encrypts"
            say(f"{record.key_id.hex()} follows for {tenant_text(record.tenant)}, and {does} from {start} on")
    if as_json:
        print_json(made)
    elif index:
        say(f"{counted(len(made), 'index key')} made")
        if made:
            print_tagging_time(tagging_ends)
    else:
        say(f"{counted(len(made), 'data key')} made; old values stay readable")
    if failed:
        raise typer.Exit(1)


@rotation.command()
def retire(
    key_id: Annotated[
        str | None,
        typer.Argument(metavar="KEY_ID", help="A data key that another one has followed. Default: index keys."),
    ] = None,
    encryptor: EncryptorOption = None,
    tenant: TenantOption = None,
    every: EveryOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Retire index keys from before a rotation, once all rows are tagged again; or a data key without values.

    Checks all migrations that FIELDCRYPT_MIGRATIONS or pyproject.toml names, and refuses while values under the key
    remain. Rows that are not tagged under the newest index key are no longer found. Exit code 2 if it is too early.
    """
    found = find_encryptor(encryptor)
    if key_id is not None:
        _retire_data_key(found, key_id, yes, as_json)
        return
    tenants = _tenants(found, tenant, every, Purpose.BLIND_INDEX)
    _check_that_none_is_left()
    if not yes:
        announced = "Rows that are not tagged under the newest index key will not be found any more."
        ask([announced], "Nothing was changed.")
    retired = []
    for each in tenants:
        for record in found.data_keys.retire_index_keys(each):
            retired.append(record)
            if not as_json:
                say(f"{record.key_id.hex()} is retired for {tenant_text(record.tenant)}")
    if as_json:
        print_json(_named(retired))
    else:
        say(f"{counted(len(retired), 'index key')} retired")


def _retire_data_key(found: Encryptor, text: str, yes: bool, as_json: bool) -> None:
    key_id = parse_key_id(text)
    left: dict[str, int] = {}
    for migration in all_migrations():
        if not isinstance(migration, CountsValues):
            raise ConfigurationError(f"{migration.name} cannot tell which values are under a data key")
        left |= migration.values_under(key_id)
    if left:
        counts = ", ".join(f"{count:,} of {name}" for name, count in left.items())
        raise ConfigurationError(f"values are under the key: {counts}. `fieldcrypt migrate backfill` re-encrypts them")
    if not yes:
        ask(["Values that no migration covers may still be under this data key."], "Nothing was changed.")
    record = found.data_keys.retire(key_id)
    if as_json:
        print_json(_named([record]))
    else:
        say(f"{text} is retired for {tenant_text(record.tenant)}: nothing more is encrypted under it")


def _check_that_none_is_left() -> None:
    """Refuse to retire index keys under which rows are tagged, as far as migrations can tell."""
    left: dict[str, int] = {}
    for migration in all_migrations():
        planned = migration.plan()
        left |= {name: count for name, count in planned.stale_tags.items() if count}
    if left:
        counts = ", ".join(f"{count:,} of {name}" for name, count in left.items())
        raise ConfigurationError(
            f"rows are not tagged under the newest index key, and would no longer be found: {counts}. "
            "`fieldcrypt migrate backfill` tags them"
        )


def _tenants(found: Encryptor, tenant: str | None, every: bool, purpose: Purpose) -> list[str | None]:
    """Return the tenants that are meant: one, or all that have keys of the purpose."""
    check_tenant_option(tenant)
    if every and tenant is not None:
        fail("--all and --tenant exclude each other", 2)
    entries = found.data_keys.entries()
    if not every:
        return [tenant]
    known = [entry for _, entry in entries if not isinstance(entry, KeyStoreError)]
    closed = {entry.tenant for entry in known if isinstance(entry, Tombstone)}
    return list(dict.fromkeys(e.tenant for e in known if e.purpose is purpose and e.tenant not in closed))


def start_of(record: KeyRecord, policy: KeyPolicy) -> str:
    """Return when a key that was made now is used, as text."""
    if record.purpose is Purpose.BLIND_INDEX:
        return utc(int(record.created + settling_time(policy).total_seconds()))
    return utc(int(encrypts_from(record.created, _system.wall_clock(), policy)))


def print_tagging_time(tagging_ends: float) -> None:
    """Print when all rows can be tagged again: when no process uses older index keys, in seconds since 1970."""
    say(f"tag all rows again from {utc(int(tagging_ends))} on: a process may tag under an old one before")


def _named(records: Sequence[KeyRecord]) -> list[dict[str, str | None]]:
    return [{"tenant": record.tenant, "key_id": record.key_id.hex()} for record in records]
