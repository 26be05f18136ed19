"""`fieldcrypt keys shred`: the end of a tenant's data keys."""

from __future__ import annotations

import getpass
import os
import platform
from typing import Annotated

import typer

from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, print_json, say
from fieldcrypt.cli.target import EncryptorOption, check_tenant_option, find_encryptor
from fieldcrypt.errors import ConfigurationError
from fieldcrypt.format._text import counted, duration_text
from fieldcrypt.keys.record.record import KeyRecord
from fieldcrypt.keys.record.tombstone import MAX_BY_SIZE

__all__ = ["shredding"]

shredding = typer.Typer()


@shredding.command()
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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, whose user has no name
        return f"user {os.getuid()}"
