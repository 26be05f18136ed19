"""`fieldcrypt keys`: the commands that change data keys, while everything runs."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Sequence
from typing import Annotated

import typer

from fieldcrypt import _system
from fieldcrypt.cli.keys.key_id import parse_key_id
from fieldcrypt.cli.migrations import all_migrations
from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, fail, print_json, printable, progress, say, utc
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find, find_encryptor
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, DecryptionError, KeyProviderError, KeyStoreError
from fieldcrypt.format._text import counted, duration_text
from fieldcrypt.keys.admin.rewrap import RewrapReport
from fieldcrypt.keys.index.choice import retires_from, settling_time
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import KeyRecord, Purpose, wrap_context
from fieldcrypt.keys.record.tombstone import MAX_BY_SIZE, Tombstone
from fieldcrypt.keys.rotation import encrypts_from
from fieldcrypt.migration import CountsValues

__all__ = ["changes", "start_of", "print_failures", "print_tagging_time"]

changes = typer.Typer()

AcceptOption = Annotated[
    bool, typer.Option("--accept-public-key", help="Go on although data keys are wrapped with a public key.")
]
AcceptForeignOption = Annotated[
    bool, typer.Option("--accept-foreign-keys", help="Go on although data keys may have been planted.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


TenantOption = Annotated[str | None, typer.Option(metavar="TENANT", help="Whose key. Default: the key of no tenant.")]
OneTenantOption = Annotated[
    str | None, typer.Option("--tenant", metavar="TENANT", help="Whose data keys. Default: all.")
]
EveryOption = Annotated[bool, typer.Option("--all", help="The keys of all tenants.")]


@changes.command()
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
            typer.echo(printable(f"{_whose(each)}: {error}"), err=True)
            continue
        start = start_of(record, found.policy)
        tagging_ends = max(tagging_ends, retires_from(record, found.policy))
        made.append({"tenant": record.tenant, "key_id": record.key_id.hex(), "from": start})
        if not as_json:
            does = "tags" if index else "encrypts"
            say(f"{record.key_id.hex()} follows for {_whose(record.tenant)}, and {does} from {start} on")
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


@changes.command()
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
                say(f"{record.key_id.hex()} is retired for {_whose(record.tenant)}")
    if as_json:
        print_json(_named(retired))
    else:
        say(f"{counted(len(retired), 'index key')} retired")


@changes.command()
def rewrap(
    encryptor: EncryptorOption = None,
    to: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="The new key provider. Default: that of the Encryptor.")
    ] = None,
    tenant: OneTenantOption = None,
    to_default: Annotated[
        bool, typer.Option("--to-default", help="Wrap those of a tenant with its own key under the default key.")
    ] = False,
    accept_public_key: AcceptOption = False,
    accept_foreign_keys: AcceptForeignOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Wrap data keys, all or one tenant's, under other wrapping keys, and only under those.

    No value is touched, and readers and writers go on. Can be interrupted and repeated. First configure all processes
    with a KeyProviderChain of the new and the old key provider. Exit code 1 if some keys were left.
    """
    check_tenant_option(tenant)
    found = find_encryptor(encryptor)
    if to_default and (tenant is None or to is not None or not found.provider.by_tenant):
        raise ConfigurationError("--to-default takes --tenant and not --to, and an Encryptor with a TenantKeyProvider")
    target: KeyProvider = found.provider if to is None else find(to, KeyProvider)
    if to_default:
        target = found.provider.for_tenant(None)
    if to is not None or to_default:
        _check_that_it_reads(found, target, tenant)
    if not dry_run and not yes:
        whose = "All data keys" if tenant is None else f"The data keys of tenant {tenant!r}"
        names = [f"  {name}" for name in _names_of(target, tenant)]
        ask([f"{whose} will be wrapped under these keys, and under no others:", *names], "Nothing was changed.")
    if accept_public_key or accept_foreign_keys:
        _warn_unvouched(found)
    with progress("data keys") as tell:
        report = found.data_keys.rewrap(
            None if to is None else target,
            tenant=tenant,
            to_default=to_default,
            accept_public_key=accept_public_key,
            accept_foreign_keys=accept_foreign_keys,
            dry_run=dry_run,
            on_progress=tell.follow,
        )
    _print_report(report, "to be rewrapped" if dry_run else "rewrapped", as_json)


@changes.command()
def repair(
    encryptor: EncryptorOption = None,
    accept_public_key: AcceptOption = False,
    accept_foreign_keys: AcceptForeignOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add wraps that data keys lack: for a region that failed, or a new wrapping key. Exit code 1 if some are left."""
    found = find_encryptor(encryptor)
    if accept_public_key or accept_foreign_keys:
        _warn_unvouched(found)
    with progress("data keys") as tell:
        report = found.data_keys.repair(
            accept_public_key=accept_public_key,
            accept_foreign_keys=accept_foreign_keys,
            dry_run=dry_run,
            on_progress=tell.follow,
        )
    _print_report(report, "to be repaired" if dry_run else "repaired", as_json)


@changes.command()
def shred(
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose keys.")],
    encryptor: EncryptorOption = None,
    by: Annotated[str, typer.Option(metavar="WHO", help="Who does it, for the record. [default: user@host]")] = "",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Destroy all data keys of a tenant. Its values are lost forever, and nothing more is encrypted for it."""
    check_tenant_option(tenant)
    found = find_encryptor(encryptor)
    _ = found.data_keys  # raises if there is no key store
    living = [] if found.store is None else [key for key in found.store.list(tenant) if isinstance(key, KeyRecord)]
    if living and not yes:
        keys = counted(len(living), "data key")
        announced = f"{keys} of tenant {tenant!r} will be destroyed. All values of the tenant are lost with that."
        ask([announced, "Backups of the key store are not touched."], "Nothing was destroyed.")
    who = by or f"{_user()}@{platform.node()}"
    if len(who.encode(errors="replace")) > MAX_BY_SIZE:
        raise ConfigurationError(f"--by has {MAX_BY_SIZE} bytes at most")
    count = found.data_keys.shred(tenant, who)
    if as_json:
        print_json({"tenant": tenant, "keys": count, "by": who})
        return
    ttl, grace = duration_text(found.policy.cache_ttl), duration_text(found.policy.grace)
    lost = f"within {ttl}; from one that cannot reach the key store within {grace} more"
    destroyed = f"{counted(count, 'data key')} destroyed, and gone from every process {lost}"
    say(destroyed if count else "all were shredded before")


def _retire_data_key(found: Encryptor, text: str, yes: bool, as_json: bool) -> None:
    key_id = parse_key_id(text)
    left: dict[str, int] = {}
    for migration in all_migrations():
        if not isinstance(migration, CountsValues):
            raise ConfigurationError(f"{migration.name} cannot tell which values are under a data key")
        left |= migration.values_under(key_id)
    if left:
        told = ", ".join(f"{count:,} of {name}" for name, count in left.items())
        raise ConfigurationError(f"values are under the key: {told}. `fieldcrypt migrate backfill` re-encrypts them")
    if not yes:
        ask(["Values that no migration covers may still be under this data key."], "Nothing was changed.")
    record = found.data_keys.retire(key_id)
    if as_json:
        print_json(_named([record]))
    else:
        say(f"{text} is retired for {_whose(record.tenant)}: nothing more is encrypted under it")


def _check_that_none_is_left() -> None:
    """Refuse to retire index keys under which rows are tagged, as far as migrations can tell."""
    left: dict[str, int] = {}
    for migration in all_migrations():
        planned = migration.plan()
        left |= {name: count for name, count in planned.stale_tags.items() if count}
    if left:
        told = ", ".join(f"{count:,} of {name}" for name, count in left.items())
        raise ConfigurationError(
            f"rows are not tagged under the newest index key, and would no longer be found: {told}. "
            "`fieldcrypt migrate backfill` tags them"
        )


def _names_of(target: KeyProvider, tenant: str | None) -> Sequence[str]:
    if target.by_tenant and tenant is None:
        return ["those of each tenant"]
    return target.for_tenant(tenant).wrapping_keys()


def _check_that_it_reads(found: Encryptor, target: KeyProvider, tenant: str | None) -> None:
    """Wrap an unused data key, and check that the Encryptor could still read."""
    data_key = DataKey.generate()
    context = wrap_context(data_key.key_id, Purpose.ENCRYPTION, int(_system.wall_clock()), tenant)
    try:
        wraps = target.for_tenant(tenant).wrap(data_key.secret, context)
        found.provider.for_tenant(tenant).unwrap(wraps, context)
    except DecryptionError:
        chain = "a KeyProviderChain of the new and the old key provider"
        if found.provider.by_tenant:
            chain = f"a TenantKeyProvider whose lookup returns {chain} for the tenant"
        raise ConfigurationError(
            f"this Encryptor could not read afterwards: first configure it, and all others, with {chain}"
        ) from None


def _warn_unvouched(found: Encryptor) -> None:
    for record in found.data_keys.unvouched():
        typer.echo(printable(f"{record.key_id.hex()} of {_whose(record.tenant)} may have been planted"), err=True)


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


def _named(records: Sequence[KeyRecord]) -> list[dict[str, str | None]]:
    return [{"tenant": record.tenant, "key_id": record.key_id.hex()} for record in records]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, whose user has no name
        return f"user {os.getuid()}"


def _whose(tenant: str | None) -> str:
    return "no tenant" if tenant is None else f"tenant {tenant!r}"


def _print_report(report: RewrapReport, done: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "changed": report.changed,
                "unchanged": report.unchanged,
                "shredded": report.shredded,
                "failures": {key_id: str(error) for key_id, error in report.failures.items()},
                "stopped": None if report.stopped is None else str(report.stopped),
            }
        )
    else:
        say(f"{counted(report.changed, 'data key')} {done}; {report.unchanged:,} unchanged")
    print_failures(report)


def print_tagging_time(tagging_ends: float) -> None:
    """Print when all rows can be tagged again: when no process uses older index keys, in seconds since 1970."""
    say(f"tag all rows again from {utc(int(tagging_ends))} on: a process may tag under an old one before")


def print_failures(report: RewrapReport) -> None:
    """Print what went wrong to stderr, and end with exit code 1 if anything did."""
    for key_id, error in report.failures.items():
        typer.echo(printable(f"{key_id}: {error}"), err=True)
    if report.stopped is not None:
        typer.echo(printable(f"stopped, run it again: {report.stopped}"), err=True)
    if not report.complete:
        raise typer.Exit(1)
