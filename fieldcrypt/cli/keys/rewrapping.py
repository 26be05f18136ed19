"""`fieldcrypt keys`: data keys under other wrapping keys, while everything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from fieldcrypt import _system
from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, print_json, printable, progress, say
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find, find_encryptor
from fieldcrypt.encryptor import Encryptor
from fieldcrypt.errors import ConfigurationError, DecryptionError
from fieldcrypt.format._text import counted, tenant_text
from fieldcrypt.keys.admin.rewrap import RewrapReport
from fieldcrypt.keys.providers.provider import KeyProvider
from fieldcrypt.keys.record.data_key import DataKey
from fieldcrypt.keys.record.record import Purpose, wrap_context

__all__ = ["print_failures", "rewrapping"]

rewrapping = typer.Typer()

AcceptOption = Annotated[
    bool, typer.Option("--accept-public-key", help="Go on although data keys are wrapped with a public key.")
]
AcceptForeignOption = Annotated[
    bool, typer.Option("--accept-foreign-keys", help="Go on although data keys may have been planted.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
OneTenantOption = Annotated[
    str | None, typer.Option("--tenant", metavar="TENANT", help="Whose data keys. Default: all.")
]


@rewrapping.command()
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


@rewrapping.command()
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


def _names_of(target: KeyProvider, tenant: str | None) -> Sequence[str]:
    if target.by_tenant and tenant is None:
        return ["those of each tenant"]
    return target.for_tenant(tenant).wrapping_keys()


def _check_that_it_reads(found: Encryptor, target: KeyProvider, tenant: str | None) -> None:
    """Wrap an unused data key, and check that the Encryptor could still read."""
    data_key = DataKey.generate(found._backend)
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
        typer.echo(printable(f"{record.key_id.hex()} of {tenant_text(record.tenant)} may have been planted"), err=True)


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


def print_failures(report: RewrapReport) -> None:
    """Print what went wrong to stderr, and end with exit code 1 if anything did."""
    for key_id, error in report.failures.items():
        typer.echo(printable(f"{key_id}: {error}"), err=True)
    if report.stopped is not None:
        typer.echo(printable(f"stopped, run it again: {report.stopped}"), err=True)
    if not report.complete:
        raise typer.Exit(1)
