"""Policies for a KMS key: what each role may do, and in which encryption contexts. Pure: makes no AWS call."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fieldcrypt.errors import ConfigurationError
from fieldcrypt.keys.record.record import Purpose, check_tenant

if TYPE_CHECKING:
    from fieldcrypt.keys.aws_kms.arn import KeyArn

__all__ = ["Permission", "Role", "iam_policy", "key_policy"]

_VERSION = "2012-10-17"
_CONTEXT = "kms:EncryptionContext:"
_CONTEXT_KEYS = ["fieldcrypt:key-id", "fieldcrypt:purpose", "fieldcrypt:created", "fieldcrypt:tenant"]  # SPEC section 6
_RSA_ALGORITHM = "RSAES_OAEP_SHA_256"
_PRINCIPAL = re.compile(r"arn:(aws[a-z-]*):iam::[0-9]{12}:(?:role|user)/[\w+=,.@/-]+", re.ASCII)
_OUTSIDE_POLICIES = re.compile(r"[^\t\n\r\x20-\xff]")

_MANAGE = (
    *("DescribeKey", "UpdateKeyDescription", "EnableKey", "DisableKey", "ScheduleKeyDeletion", "CancelKeyDeletion"),
    *("GetKeyPolicy", "PutKeyPolicy", "ListKeyPolicies", "ListGrants", "RevokeGrant"),
    *("CreateAlias", "UpdateAlias", "DeleteAlias", "TagResource", "UntagResource", "ListResourceTags"),
)
_MANAGE_SYMMETRIC = ("GetKeyRotationStatus", "EnableKeyRotation", "DisableKeyRotation")
_MANAGE_RSA = ("GetPublicKey",)
_MANAGE_REPLICAS = ("ReplicateKey", "UpdatePrimaryRegion")
_SYNCHRONIZE = "SynchronizeMultiRegionKey"  # KMS itself does it, by a service-linked role in the key's account
_ALIASES = ("CreateAlias", "UpdateAlias", "DeleteAlias")


class Role(enum.StrEnum):
    """Who gets permissions."""

    WRITER = "writer"  # encrypts, and decrypts what it needs to go on after a restart
    READER = "reader"  # decrypts
    ADMIN = "admin"  # makes and manages keys, and cannot use them


class Permission(NamedTuple):
    """What a role may do with a key.

    Attributes:
        role: who.
        tenants: the only tenants whose data keys it may use; empty for any, and for none.
        rsa: the key is an RSA key, which data keys are wrapped under without KMS.
        searches: it may use data keys for blind indexes too.
    """

    role: Role
    tenants: Sequence[str] = ()
    rsa: bool = False
    searches: bool = False

    def check(self) -> None:
        """Raise ConfigurationError if no policy can express this."""
        if self.tenants and self.rsa:
            raise ConfigurationError("asymmetric keys have no encryption context: a policy cannot tell tenants apart")
        if self.searches and self.rsa:
            raise ConfigurationError("there are no blind indexes with asymmetric keys")
        if self.searches and self.role is Role.ADMIN:
            raise ConfigurationError("an admin uses no data keys: --index is for writers and readers")
        if self.tenants and self.role is Role.ADMIN:
            raise ConfigurationError("an admin uses no data keys: tenants are for writers and readers")
        for tenant in self.tenants:
            try:
                check_tenant(tenant)
            except ValueError as error:
                raise ConfigurationError(str(error)) from None
            if _OUTSIDE_POLICIES.search(tenant):
                raise ConfigurationError(f"tenant {tenant!r} has characters that AWS does not accept in a policy")

    def statements(self, key: KeyArn) -> list[dict[str, Any]]:
        """Return what is allowed, without principals and resources."""
        if self.role is Role.ADMIN:
            return [_allow("FieldcryptAdmin", _management(key, self.rsa))]
        if self.rsa:
            public = _allow("FieldcryptPublicKey", ["kms:GetPublicKey"])
            if self.role is Role.WRITER:
                return [public]
            algorithm = {"StringEquals": {"kms:EncryptionAlgorithm": _RSA_ALGORITHM}}
            return [_allow("FieldcryptReader", ["kms:Decrypt"], algorithm), public]
        if self.role is Role.WRITER:
            return [_allow("FieldcryptWriter", ["kms:Encrypt", "kms:Decrypt"], self._condition())]
        return [_allow("FieldcryptReader", ["kms:Decrypt"], self._condition())]

    def _condition(self) -> dict[str, Any]:
        # StringEquals is false for a key that the request lacks, so both pairs are required. Names of condition keys
        # are compared without regard to case and foreign pairs would pass: the list of all names closes both gaps.
        # ForAllValues alone would be true without any context; Null requires one.
        purposes = [Purpose.ENCRYPTION.label, Purpose.BLIND_INDEX.label]
        pairs: dict[str, Any] = {f"{_CONTEXT}fieldcrypt:purpose": purposes if self.searches else purposes[0]}
        if self.tenants:
            pairs[f"{_CONTEXT}fieldcrypt:tenant"] = [_literal(tenant) for tenant in self.tenants]
        names = _CONTEXT_KEYS
        return {
            "StringEquals": pairs,
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": names},
            "Null": {"kms:EncryptionContextKeys": "false"},
        }


def key_policy(key: KeyArn, permission: Permission, principals: Sequence[str] = ()) -> dict[str, Any]:
    """Return a complete key policy: the account manages the key, and the role uses it.

    The account's own statement allows no cryptographic operation, so that an IAM policy with `kms:*` reads nothing.
    It does allow `kms:PutKeyPolicy`, so the account is not locked out.

    Args:
        key: the key; for a multi-Region key the policy fits each of its regions.
        permission: what the role may do.
        principals: ARNs of the IAM roles and users that may do it; if none are named, those to which an IAM policy of
            the account allows it.

    Raises:
        ConfigurationError: a policy cannot express the permission, or a principal is malformed.
    """
    permission.check()
    for principal in principals:
        _check_principal(key, principal)
    account = {"AWS": f"arn:{key.partition}:iam::{key.account}:root"}
    management = _management(key, permission.rsa)
    if key.multi_region:
        management = sorted([*management, f"kms:{_SYNCHRONIZE}"])
    statements = [_complete(_allow("AccountManagesKey", management), "*", account)]  # "*" is this key
    if permission.role is not Role.ADMIN or principals:
        users = {"AWS": list(principals)} if principals else account
        statements += [_complete(allowed, "*", users) for allowed in permission.statements(key)]
    return {"Version": _VERSION, "Id": "fieldcrypt", "Statement": statements}


def iam_policy(key: KeyArn, permission: Permission) -> dict[str, Any]:
    """Return an identity policy for the role: the same permissions, for the key in all of its regions.

    Raises:
        ConfigurationError: a policy cannot express the permission.
    """
    permission.check()
    resource = str(key._replace(region="*")) if key.multi_region else str(key)
    statements = [_complete(allowed, resource) for allowed in permission.statements(key)]
    if permission.role is Role.ADMIN:
        region = "*" if key.multi_region else key.region
        aliases = f"arn:{key.partition}:kms:{region}:{key.account}:alias/*"
        # An alias operation has to be allowed on the alias and on its keys, so this reaches the aliases of this key.
        statements.append(_complete(_allow("FieldcryptAliases", [f"kms:{action}" for action in _ALIASES]), aliases))
        # These know no single key: a key to be made has no ARN yet.
        statements.append(_complete(_allow("FieldcryptNewKeys", ["kms:CreateKey", "kms:ListAliases"]), "*"))
        if key.multi_region:
            service = {"StringEquals": {"iam:AWSServiceName": "mrk.kms.amazonaws.com"}}
            linked = _allow("FieldcryptServiceLinkedRole", ["iam:CreateServiceLinkedRole"], service)
            statements.append(_complete(linked, "*"))
    return {"Version": _VERSION, "Statement": statements}


def _management(key: KeyArn, rsa: bool) -> list[str]:
    actions = [*_MANAGE, *(_MANAGE_RSA if rsa else _MANAGE_SYMMETRIC), *(_MANAGE_REPLICAS if key.multi_region else ())]
    return sorted(f"kms:{action}" for action in actions)


def _allow(sid: str, actions: Sequence[str], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": list(actions)}
    return statement if condition is None else {**statement, "Condition": condition}


def _complete(allowed: dict[str, Any], resource: str, principal: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a whole statement, in the order that reads best."""
    sid, effect, *rest = allowed.items()
    who = {} if principal is None else {"Principal": principal}
    action, *condition = rest
    return dict([sid, effect, *who.items(), action, ("Resource", resource), *condition])


def _check_principal(key: KeyArn, principal: str) -> None:
    found = _PRINCIPAL.fullmatch(principal)
    if found is None or found[1] != key.partition:
        raise ConfigurationError(
            f"{principal!r} is not the ARN of an IAM role or user, like arn:{key.partition}:iam::{key.account}:role/app"
        )


def _literal(text: str) -> str:
    """Return a literal text for a condition value: `${…}` would be a policy variable."""
    return text.replace("${", "${$}{")
