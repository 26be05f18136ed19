"""`fieldcrypt kms`: the commands for keys in several regions, and their policies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldcrypt.cli.kms.policies import Permission, Role, iam_policy, key_policy
from fieldcrypt.cli.options import JsonOption, YesOption
from fieldcrypt.cli.output import ask, fail, missing_packages, print_json, print_table, status
from fieldcrypt.errors import ConfigurationError

if TYPE_CHECKING:
    from fieldcrypt.cli.kms.keys import KeySetup

__all__ = ["kms"]

_ALIAS = re.compile(r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}")

_NO_INDEX = "This {} can neither search by blind indexes nor write searchable values: for that, add --index."

kms = typer.Typer(name="kms", help="Make KMS keys in several regions, and policies for them.", no_args_is_help=True)


@kms.command()
def create(
    alias: Annotated[str, typer.Option(help="The key's alias, the same in every region.", metavar="NAME")],
    region: Annotated[str, typer.Option(help="The primary region.", metavar="REGION")],
    replica: Annotated[list[str] | None, typer.Option(help="A region with a replica.", metavar="REGION")] = None,
    rotation_days: Annotated[
        int | None, typer.Option(help="Days between rotations. [default: 365]", min=90, max=2560)
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The key policy of keys that are made.", metavar="FILE.json")
    ] = None,
    description: Annotated[str, typer.Option(help="A description for keys that are made.")] = "",
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Make a multi-Region key with replicas, an alias in every region, and automatic rotation.

    Can be repeated: it keeps what exists, and makes what is missing. Exit code 1 if AWS refuses something, or if the
    alias points to another kind of key; 2 if an option is wrong.
    """
    regions = [region, *(replica or ())]
    document = None if policy is None else _read_policy(policy)
    with missing_packages():
        from fieldcrypt.cli.kms.keys import KeySetup, SetupError, default_clients
        from fieldcrypt.keys.aws_kms.regions import check_region
    name = alias if alias.startswith("alias/") else f"alias/{alias}"
    if not _ALIAS.fullmatch(name):
        fail(f"{alias!r} is not an alias: letters, digits, /, _ and -, and not aws/ at the beginning", 2)
    if len(set(regions)) != len(regions):
        fail("a region is named twice", 2)
    try:
        for each in regions:
            check_region(each)
        setup = KeySetup(default_clients(), name, regions, rotation_days)
        setup.look()
        if missing := setup.missing():
            if not yes:
                charges = "AWS charges for every key and every replica, per month and region."
                ask(["To be made:", *(f"  {what}" for what in missing), charges], "Nothing was made.")
            with status() as tell:
                setup.complete(document, description, tell)
    except ConfigurationError as error:
        fail(str(error), 2)
    except SetupError as error:
        fail(str(error), 1)
    _print_setup(setup, name, as_json)


@kms.command("policy")
def print_policies(
    role: Annotated[Role, typer.Argument(help="The role that gets permissions.")],
    key: Annotated[str, typer.Option(help="The key, in any of its regions.", metavar="ARN")],
    principal: Annotated[
        list[str] | None, typer.Option(help="An IAM role or user that gets the permissions.", metavar="ARN")
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(help="A tenant whose data keys may be used; else all.", metavar="TENANT")
    ] = None,
    rsa: Annotated[bool, typer.Option("--rsa", help="The key is an RSA key.")] = False,
    index: Annotated[
        bool, typer.Option("--index", help="Allow blind indexes too: to search, and to write searchable values.")
    ] = False,
) -> None:
    """Print a key policy and an IAM policy for a role, as JSON.

    A writer encrypts and decrypts data keys, a reader decrypts them, an admin manages the key and can do neither.
    """
    with missing_packages():
        from fieldcrypt.keys.aws_kms.arn import KeyArn
    permission = Permission(role, tuple(tenant or ()), rsa, index)
    try:
        arn = KeyArn.configured(key)
        if arn.is_alias:
            fail(f"{key!r} is an alias, which policies do not follow: use the ARN of its key", 2)
        policies = {
            "KeyPolicy": key_policy(arn, permission, principal or ()),
            "IamPolicy": iam_policy(arn, permission),
        }
    except ConfigurationError as error:
        fail(str(error), 2)
    print_json(policies)
    if role is not Role.ADMIN and not (index or rsa):
        typer.echo(_NO_INDEX.format(role), err=True)


def _read_policy(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        complete = "Statement" in json.loads(text)
    except (OSError, ValueError, TypeError) as error:
        fail(f"{path} cannot be used as a key policy: {error}", 2)
    if not complete:
        hint = ": give it the document under KeyPolicy alone" if '"KeyPolicy"' in text else ""
        fail(f"{path} is not a key policy, because it has no Statement{hint}", 2)
    return text


def _print_setup(setup: KeySetup, alias: str, as_json: bool) -> None:
    names = ", ".join(json.dumps(place.region) for place in setup.regions)
    provider = f'AwsKmsKeyProvider("{setup.home.arn}", regions=[{names}])'
    if as_json:
        keys = [
            {"region": place.region, "arn": place.arn, "state": place.state, "made": place.made}
            for place in setup.regions
        ]
        answer = {"alias": alias, "rotation_days": setup.rotation, "keys": keys, "provider": provider}
        print_json(answer)
        return
    _print_table(setup, alias)
    typer.echo(f"\n{provider}")


def _print_table(setup: KeySetup, alias: str) -> None:
    rows = []
    for place in setup.regions:
        done = f"made: {', '.join(place.made)}" if place.made else "existed"
        rows.append((place.region, place.arn, alias, place.state, done))
    print_table(("region", "key", "alias", "state", "done"), rows, whole=True)
