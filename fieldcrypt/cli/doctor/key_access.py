"""Who else may use a KMS key: principals that may wrap can make data keys, and those that may unwrap can read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from fieldcrypt.cli.doctor.permissions import (
    DECRYPT,
    HAND_ON,
    UNWRAP,
    WRAP,
    Permission,
    Principal,
    permitted,
)
from fieldcrypt.health.finding import Finding, Verdict
from fieldcrypt.keys.aws_kms.answers import FAILURES, Answer, classify, error_name
from fieldcrypt.keys.aws_kms.arn import KeyArn

__all__ = ["examine_access"]

_NAMED = 5  # principals, before the others are counted

_CHECKS: dict[tuple[str, ...], str] = {WRAP: "who may wrap", UNWRAP: "who may unwrap", HAND_ON: "who may let others in"}


def examine_access(client: Any, key: KeyArn, *, rsa: bool) -> Iterator[Finding]:
    """Name who may use a key, as its key policy and its grants in this region say.

    IAM actions: `kms:GetKeyPolicy` and `kms:ListGrants`; without them the findings are unknown.

    Args:
        client: a boto3 KMS client of the key's region.
        key: its ARN, not one of an alias.
        rsa: the key is an RSA key, under which everybody can wrap.
    """
    checks = (UNWRAP, HAND_ON) if rsa else (WRAP, UNWRAP, HAND_ON)
    gap, grants = "", []
    try:
        policy = client.get_key_policy(KeyId=str(key), PolicyName="default")["Policy"]
        try:
            pages = client.get_paginator("list_grants").paginate(KeyId=str(key))
            grants = [grant for page in pages for grant in page["Grants"]]
        except FAILURES as error:
            gap = f"grants were not checked: {_why(error, 'kms:ListGrants')}"
        permissions = permitted(policy, grants)
    except (*FAILURES, ValueError) as error:
        why = _why(error, "kms:GetKeyPolicy")
        yield from (Finding(key.region, _CHECKS[check], Verdict.UNKNOWN, why) for check in checks)
        return
    for check in checks:
        yield _Access(key, permissions, check).finding(gap)


def _why(error: Exception, action: str) -> str:
    if not isinstance(error, FAILURES):
        return str(error)
    return f"this role may not {action}" if classify(error) is Answer.DENIED else f"{action}: {error_name(error)}"


class _Access:
    """Who may do one of some actions with a key."""

    def __init__(self, key: KeyArn, permissions: set[Permission], actions: tuple[str, ...]) -> None:
        self._key = key
        self._actions = actions
        self._permissions = [each for each in permissions if each.action in actions]
        self._decrypting = [each for each in permissions if each.action == DECRYPT]
        named: defaultdict[Principal, set[str]] = defaultdict(set)
        for each in self._permissions:
            named[each.principal].add(each.action)
        self._named = dict(sorted(named.items()))
        self._delegated = [who for who in self._named if who.account == key.account]

    def finding(self, gap: str) -> Finding:
        """Return the finding; `gap` is what could not be checked."""
        details, advice = [], []
        if alone := self._blind_wrappers():
            unless = f" (unless IAM policies let them {DECRYPT})" if self._decrypting_is_delegated() else ""
            details.append(f"may wrap data keys that they know and not {DECRYPT}{unless}: {self._some(alone)}")
            advice.append(
                f"let only those wrap who may {DECRYPT}, or set KeyPolicy(own_keys_only=True); SECURITY.md says what "
                "such a principal can do"
            )
        if wide := [who for who in self._named if self._is_wide(who)]:
            details.append(f"more than roles and users of this account: {self._some(wide)}")
            advice.append("name roles in the key policy: fieldcrypt kms policy; revoke unneeded grants")
        verdict = Verdict.WARNING if details else Verdict.UNKNOWN if self._delegated or gap else Verdict.OK
        if others := [who for who in self._named if who not in (*alone, *wide, *self._delegated)]:
            details.append(self._some(others))
        if self._delegated:
            details.append(
                f"the key policy leaves it to the IAM policies of account {self._key.account}, so who else may is "
                "unknown here"
            )
        detail = "; ".join([*details, gap] if gap else details) or "nobody"
        return Finding(self._key.region, _CHECKS[self._actions], verdict, detail, "; ".join(advice))

    def _blind_wrappers(self) -> list[Principal]:
        """Return the principals that may wrap where they may not decrypt, according to key policy and grants."""
        if self._actions != WRAP:
            return []
        blind = {each.principal for each in self._permissions if not self._decrypts(each)}
        return [who for who in self._named if who in blind and who.account is None]

    def _decrypts(self, wrapping: Permission) -> bool:
        return any(
            each.principal.includes(wrapping.principal) and each.condition in ("", wrapping.condition)
            for each in self._decrypting
        )

    def _decrypting_is_delegated(self) -> bool:
        return any(each.principal.account == self._key.account for each in self._decrypting)

    def _is_wide(self, who: Principal) -> bool:
        return who.everyone or who.kind != "AWS" or who.account not in (None, self._key.account)

    def _some(self, principals: Sequence[Principal]) -> str:
        more = f" and {len(principals) - _NAMED} more" if len(principals) > _NAMED else ""
        return ", ".join(self._with_actions(who) for who in principals[:_NAMED]) + more

    def _with_actions(self, who: Principal) -> str:
        """Return a name, with its actions unless these are the usual ones."""
        actions = self._named[who]
        usual = self._actions is not HAND_ON and self._actions[0] in actions
        return str(who) if usual else f"{who} ({', '.join(sorted(actions))})"
