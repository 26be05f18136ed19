"""`fieldcrypt keys`: tenants with wrapping keys of their own (docs/operations/tenant-keys.md)."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from fieldcrypt.cli.keys.rewrapping import print_failures
from fieldcrypt.cli.keys.rotation import print_tagging_time, start_of
from fieldcrypt.cli.options import JsonOption
from fieldcrypt.cli.output import print_json, progress, say
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.format._text import counted
from fieldcrypt.keys.admin.tenant_key import MoveReport
from fieldcrypt.keys.index.choice import retires_from
from fieldcrypt.keys.policy import KeyPolicy
from fieldcrypt.keys.record.record import Purpose

__all__ = ["tenant_keys"]

tenant_keys = typer.Typer()

TenantOption = Annotated[str, typer.Option(metavar="TENANT", help="Whose data keys.")]


@tenant_keys.command()
def check(
    tenant: TenantOption,
    encryptor: EncryptorOption = None,
    other: Annotated[
        list[str] | None,
        typer.Option(metavar="TENANT", help="A tenant without data keys yet, whose wrapping key must differ too."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a tenant's own wrapping key can be used, and is not another tenant's, before the tenant gets data
    keys.

    Wraps an unused data key, and unwraps it. Exit code 1 if that fails, 2 if the key is another tenant's or the
    default.
    """
    check_tenant_option(tenant)
    names = find_encryptor(encryptor).data_keys.check_tenant_key(tenant, other or ())
    if as_json:
        print_json({"tenant": tenant, "wrapping_keys": names})
    else:
        say(f"tenant {tenant!r} can use {', '.join(names)}, under which no other tenant has a data key")


@tenant_keys.command()
def move(tenant: TenantOption, encryptor: EncryptorOption = None, as_json: JsonOption = False) -> None:
    """Move a tenant's data keys from the default wrapping key to the tenant's own.

    Makes the next data key and index key, which the default key never opens, and rewraps the old ones. First let the
    lookup return a KeyProviderChain of the tenant's own and the default key provider in all processes. Afterwards
    re-encrypt, tag again and retire the old keys, as it prints. Older backups stay readable with the default key. Can
    be interrupted and repeated. Exit code 1 if some keys were left.
    """
    check_tenant_option(tenant)
    found = find_encryptor(encryptor)
    with progress("data keys") as tell:
        done = found.data_keys.move(tenant, on_progress=tell.follow)
    if as_json:
        print_json(
            {
                "tenant": tenant,
                "made": [record.key_id.hex() for record in done.made],
                "rewrapped": done.rewrapped.changed,
                "left": [{"key_id": record.key_id.hex(), "purpose": record.purpose.label} for record in done.left],
                "complete": done.rewrapped.complete,
            }
        )
    else:
        _tell(tenant, done, found.policy)
    print_failures(done.rewrapped)


def _tell(tenant: str, done: MoveReport, policy: KeyPolicy) -> None:
    for record in done.made:
        does = "encrypts" if record.purpose is Purpose.ENCRYPTION else "tags"
        say(f"{record.key_id.hex()} follows, and {does} from {start_of(record, policy)} on")
        if record.purpose is Purpose.BLIND_INDEX:
            print_tagging_time(retires_from(record, policy))
    say(f"{counted(done.rewrapped.changed, 'data key')} rewrapped")
    if not done.left:
        say(f"no value of tenant {tenant!r} is left under a data key that the default key could open")
        return
    say("\nLeft to do, once the new data keys are in use:")
    for record in done.left:
        if record.purpose is Purpose.ENCRYPTION:
            say(f"  fieldcrypt migrate backfill …, then: fieldcrypt keys retire {record.key_id.hex()}")
    if any(record.purpose is Purpose.BLIND_INDEX for record in done.left):
        say(f"  fieldcrypt migrate backfill …, which tags again, then: fieldcrypt keys retire --tenant {quote(tenant)}")
    say("Then let the lookup return its own key provider alone.")
    say("Older backups stay readable with the default key.")
