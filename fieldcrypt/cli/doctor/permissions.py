"""Who may do what with a KMS key, by its key policy and its grants. Pure: makes no AWS call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["DECRYPT", "HAND_ON", "UNWRAP", "WRAP", "Permission", "Principal", "permitted"]

DECRYPT = "kms:Decrypt"
# kms:GenerateDataKey makes no data key of ours: the encryption context names the key id, which is a hash of the key.
WRAP = ("kms:Encrypt", "kms:ReEncryptTo")
UNWRAP = (DECRYPT, "kms:ReEncryptFrom")  # from this key to one of the caller's own
HAND_ON = ("kms:CreateGrant", "kms:PutKeyPolicy", "kms:ReplicateKey")  # with which everything else can be had, or given

_ROOT = re.compile(r"(?:arn:[^:]*:iam::)?([0-9]{12})(?::root)?", re.ASCII)
_ACCOUNT = re.compile(r"arn:[^:]*:[^:]*:[^:]*:([0-9]{12}):.*", re.ASCII | re.DOTALL)


class Principal(NamedTuple):
    """A principal of a policy.

    Attributes:
        kind: "AWS", "Service", …
        name: an ARN, a service, `*`, ….
        besides: the exceptions, if it is everyone but these.
    """

    kind: str
    name: str
    besides: tuple[str, ...] = ()

    @property
    def everyone(self) -> bool:
        return self.name == "*"

    @property
    def account(self) -> str | None:
        """The account, if it is a whole account: then its IAM policies decide who in it."""
        found = _ROOT.fullmatch(self.name)
        return found[1] if found and self.kind == "AWS" else None

    def includes(self, other: Principal) -> bool:
        """Return True if this principal includes the other one, so that what it may do the other may do too."""
        return self == other or (self.everyone and other.name not in self.besides)

    def shuts_out(self, other: Principal) -> bool:
        """Return True if a refusal to this principal affects the other: one to an account affects everybody in it."""
        account = _ACCOUNT.fullmatch(other.name)
        return self.includes(other) or (self.account is not None and account is not None and account[1] == self.account)

    def __str__(self) -> str:
        if self.everyone:
            return f"everyone but {', '.join(self.besides)}" if self.besides else "everyone"
        if self.account is not None:
            return f"account {self.account}"
        return self.name if self.kind == "AWS" else f"{self.kind.lower()} {self.name}"


class Permission(NamedTuple):
    """What a principal may do.

    Attributes:
        condition: under which, as JSON; empty if under none.
    """

    principal: Principal
    action: str
    condition: str


def permitted(policy: str, grants: Iterable[Mapping[str, Any]] = ()) -> set[Permission]:
    """Return what a key policy and grants, as KMS returns them, permit of the actions that are named here.

    A refusal of the policy counts if it has no condition.

    Raises:
        ValueError: the policy has a form that is not known here.
    """
    try:
        listed = json.loads(policy)["Statement"]
        statements = [_Statement.from_json(each) for each in (listed if isinstance(listed, list) else [listed])]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("the key policy has a form that is not known here") from error
    refused = [each for each in statements if not each.allows and not each.condition]
    allowed = [permission for each in statements if each.allows for permission in each.permissions()]
    allowed += [
        Permission(_grantee(grant["GranteePrincipal"]), f"kms:{operation}", _text(grant.get("Constraints")))
        for grant in grants
        for operation in grant["Operations"]
    ]
    return {one for one in allowed if not any(each.refuses(one) for each in refused)}


def _grantee(name: str) -> Principal:
    return Principal("AWS" if name.startswith("arn:") else "Service", name)


class _Statement(NamedTuple):
    allows: bool
    principals: Sequence[Principal]
    actions: Sequence[str]
    condition: str

    @classmethod
    def from_json(cls, statement: Mapping[str, Any]) -> _Statement:
        effect = statement["Effect"]
        if effect not in ("Allow", "Deny"):
            raise ValueError(f"the key policy has an effect that is not known here: {effect!r}")
        if "NotPrincipal" in statement:
            besides = tuple(each.name for each in _principals(statement["NotPrincipal"]))
            principals = [Principal("AWS", "*", besides)]
        else:
            principals = list(_principals(statement["Principal"]))
        negated = "NotAction" in statement
        patterns = [_pattern(each) for each in _listed(statement["NotAction" if negated else "Action"])]
        actions = [
            action
            for action in (*WRAP, *UNWRAP, *HAND_ON)
            if any(pattern.fullmatch(action) for pattern in patterns) is not negated
        ]
        return cls(effect == "Allow", principals, actions, _text(statement.get("Condition")))

    def permissions(self) -> Iterator[Permission]:
        for principal in self.principals:
            for action in self.actions:
                yield Permission(principal, action, self.condition)

    def refuses(self, permission: Permission) -> bool:
        return permission.action in self.actions and any(
            each.shuts_out(permission.principal) for each in self.principals
        )


def _principals(named: str | Mapping[str, Any]) -> Iterator[Principal]:
    if isinstance(named, str):
        yield Principal("AWS", named)
        return
    for kind, names in named.items():
        yield from (Principal(kind, name) for name in _listed(names))


def _listed(one_or_more: Any) -> list[str]:
    listed = [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)
    if not all(isinstance(each, str) for each in listed):
        raise TypeError("not text")
    return listed


def _pattern(action: str) -> re.Pattern[str]:
    """Return a pattern for the actions that a policy names: with `*` and `?`, and ignoring case."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", action))
    return re.compile("".join(parts), re.IGNORECASE)


def _text(condition: Any) -> str:
    return json.dumps(condition, sort_keys=True) if condition else ""
