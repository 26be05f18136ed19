"""The doctor looks who else may use a KMS key: in key policies and grants, and it says where it cannot know."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from fieldcrypt.cli.doctor import Finding, Verdict
from fieldcrypt.cli.doctor.key_access import examine_access
from fieldcrypt.cli.doctor.permissions import DECRYPT, Permission, Principal, permitted
from fieldcrypt.cli.kms.policies import Permission as PolicyPermission
from fieldcrypt.cli.kms.policies import Role, key_policy
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.testing import LocalAws

HOME = "us-east-1"
ACCOUNT = "123456789012"  # moto's
APP, LOADER, ADMIN = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("app", "loader", "admin"))
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USES = ["kms:Encrypt", DECRYPT]
WRAP, UNWRAP, LET_IN = "who may wrap", "who may unwrap", "who may let others in"
FOR_TENANT = [{"StringEquals": {"kms:EncryptionContext:fieldcrypt:tenant": tenant}} for tenant in "ab"]


def allow(principal: Any, action: Any, condition: Any = None, effect: str = "Allow") -> dict[str, Any]:
    """A statement of a key policy."""
    who = {"AWS": principal} if isinstance(principal, str) and principal != "*" else principal
    statement = {"Effect": effect, "Principal": who, "Action": action, "Resource": "*"}
    return statement if condition is None else statement | {"Condition": condition}


def deny(principal: Any, action: Any, condition: Any = None) -> dict[str, Any]:
    """A statement that refuses."""
    return allow(principal, action, condition, "Deny")


BOTH = allow(APP, USES)


class Key:
    """A key with a policy, and what the doctor finds about it."""

    def __init__(self, aws: LocalAws) -> None:
        self.arn = KeyArn.configured(aws.create_key())
        self.kms = aws.kms(HOME)

    def permit(self, *statements: dict[str, Any]) -> None:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.kms.put_key_policy(KeyId=str(self.arn), PolicyName="default", Policy=policy)

    def grant(self, principal: str, *operations: str) -> None:
        self.kms.create_grant(KeyId=str(self.arn), GranteePrincipal=principal, Operations=list(operations))

    def findings(self) -> dict[str, Finding]:
        return {finding.check: finding for finding in examine_access(self.kms, self.arn, rsa=False)}


@pytest.fixture
def key(aws: LocalAws) -> Key:
    """A key whose policy says nothing yet."""
    key = Key(aws)
    key.permit(BOTH)
    return key


class TestWrappingAlone:
    @pytest.mark.parametrize(
        "statements",
        [
            [allow(LOADER, "kms:Encrypt")],
            [allow(LOADER, "KMS:encrypt")],  # case does not count in AWS
            [allow(LOADER, "kms:ReEncrypt*"), deny(LOADER, "kms:ReEncryptFrom")],
            [allow(LOADER, "kms:?ncrypt")],
            [allow(LOADER, "kms:*"), deny(LOADER, "kms:Decrypt")],
            [allow(LOADER, "kms:Encrypt"), allow(LOADER, DECRYPT, FOR_TENANT[0])],
            [allow(LOADER, "kms:Encrypt", FOR_TENANT[0]), allow(LOADER, DECRYPT, FOR_TENANT[1])],
        ],
    )
    def test_who_may_encrypt_and_not_decrypt_is_named(self, key: Key, statements: list[dict[str, Any]]) -> None:
        """They can make data keys that they know; nobody else is named with them."""
        key.permit(BOTH, *statements)
        found = key.findings()[WRAP]
        assert found.verdict is Verdict.WARNING
        assert found.detail.startswith(f"may wrap data keys that they know and not {DECRYPT}: {LOADER}")
        assert APP not in found.detail.partition(";")[0]
        assert found.advice

    def test_by_a_grant_too(self, key: Key) -> None:
        """Grants stand in no policy."""
        key.grant(LOADER, "Encrypt")
        assert f"not {DECRYPT}: {LOADER}" in key.findings()[WRAP].detail

    def test_a_grant_that_the_policy_undoes_excuses_nobody(self, key: Key) -> None:
        """A refusal in the key policy is stronger."""
        key.grant(LOADER, "Decrypt")
        key.permit(BOTH, allow(LOADER, "kms:Encrypt"), deny(LOADER, DECRYPT))
        assert f"not {DECRYPT}: {LOADER}" in key.findings()[WRAP].detail

    def test_unless_a_policy_of_the_account_may_let_them(self, key: Key) -> None:
        """Then the key policy is not the whole truth, and that is said."""
        key.permit(allow(ROOT, DECRYPT), allow(LOADER, "kms:Encrypt"))
        assert "(unless IAM policies let them kms:Decrypt)" in key.findings()[WRAP].detail

    @pytest.mark.parametrize(
        "statements",
        [
            [BOTH, allow(LOADER, "kms:Encrypt"), allow(LOADER, DECRYPT)],
            [BOTH, allow(LOADER, USES, FOR_TENANT[0])],
            [BOTH, allow(LOADER, "kms:Encrypt", FOR_TENANT[0]), allow(LOADER, DECRYPT)],
            [BOTH, allow(LOADER, "kms:Encrypt"), deny(LOADER, "kms:Encrypt")],
            [BOTH, allow(LOADER, "kms:Encrypt"), deny("*", "kms:Enc*")],
            [BOTH, allow(LOADER, "kms:GenerateDataKey*")],  # whose context would have to name its own hash
        ],
    )
    def test_nobody_is_accused_who_reads_or_may_not_wrap(self, key: Key, statements: list[dict[str, Any]]) -> None:
        """All is well with the wrapping."""
        key.permit(*statements)
        assert key.findings()[WRAP].verdict is Verdict.OK


class TestWhatCannotBeTold:
    @pytest.mark.parametrize("condition", [None, FOR_TENANT[0]])
    @pytest.mark.parametrize("more", [[], [BOTH], [deny(LOADER, "kms:*")]])
    @pytest.mark.parametrize("principal", [ROOT, ACCOUNT])
    def test_an_account_that_decides_by_its_policies_is_never_well(
        self, key: Key, principal: str, more: list[dict[str, Any]], condition: Any
    ) -> None:
        """As AWS's own default has it: who in the account may wrap is written elsewhere."""
        key.permit(allow(principal, "kms:*", condition), *more)
        for found in key.findings().values():
            assert found.verdict is Verdict.UNKNOWN
            assert f"IAM policies of account {ACCOUNT}" in found.detail

    def test_our_own_key_policy_leaves_the_administrators_alone(self, key: Key) -> None:
        """Who may wrap and unwrap is known; who may change that are the account's administrators, whoever they are."""
        policy = key_policy(key.arn, PolicyPermission(Role.WRITER), [APP])
        key.permit(*policy["Statement"])
        found = key.findings()
        assert [found[WRAP].verdict, found[UNWRAP].verdict] == [Verdict.OK] * 2
        assert found[WRAP].detail == found[UNWRAP].detail == APP
        assert found[LET_IN].verdict is Verdict.UNKNOWN

    @pytest.mark.parametrize("action", ["kms:GetKeyPolicy", "kms:ListGrants"])
    def test_where_this_role_may_not_look(self, action: str) -> None:
        """It says which permission is missing, and nothing is well."""
        arn = KeyArn.configured("arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab")
        client = boto3.client("kms", region_name=HOME, aws_access_key_id="a", aws_secret_access_key="b")
        with Stubber(client) as stub:
            if action == "kms:GetKeyPolicy":
                stub.add_client_error("get_key_policy", "AccessDeniedException")
            else:
                stub.add_response("get_key_policy", {"Policy": json.dumps({"Statement": BOTH})})
                stub.add_client_error("list_grants", "AccessDeniedException")
            findings = list(examine_access(client, arn, rsa=False))
        assert {finding.verdict for finding in findings} == {Verdict.UNKNOWN}
        assert all(f"this role may not {action}" in finding.detail for finding in findings)

    @pytest.mark.parametrize(
        "policy",
        [
            "[]",
            '{"Statement": 1}',
            '{"Statement": [{"Effect": "Allow"}]}',
            '{"Statement": [{"Effect": "Perhaps", "Principal": "*", "Action": "kms:*"}]}',
            '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": [1]}, "Action": "kms:*"}]}',
        ],
    )
    def test_a_policy_of_an_unknown_form(self, policy: str) -> None:
        """It is not taken for one that permits nothing."""
        with pytest.raises(ValueError, match="not known here"):
            permitted(policy)


class TestTooMany:
    @pytest.mark.parametrize(
        ("principal", "told"),
        [
            ("*", "everyone"),
            ({"AWS": "arn:aws:iam::444455556666:root"}, "account 444455556666"),
            ({"Service": "logs.amazonaws.com"}, "service logs.amazonaws.com"),
            ({"Federated": "cognito-identity.amazonaws.com"}, "federated cognito-identity.amazonaws.com"),
        ],
    )
    def test_more_than_roles_of_the_account(self, key: Key, principal: Any, told: str) -> None:
        """Whoever reads beside them is named, a condition or not."""
        key.permit(BOTH, allow(principal, DECRYPT, FOR_TENANT[0]))
        found = key.findings()
        assert found[UNWRAP].verdict is Verdict.WARNING
        assert f"more than roles and users of this account: {told}" in found[UNWRAP].detail
        assert found[WRAP].verdict is Verdict.OK

    def test_what_equals_decrypting_is_named_with_its_action(self, key: Key) -> None:
        """To encrypt again under a key of one's own, to make grants, to change the policy."""
        key.permit(BOTH, allow(LOADER, "kms:ReEncryptFrom"), allow(ADMIN, ["kms:PutKeyPolicy", "kms:CreateGrant"]))
        found = key.findings()
        assert found[UNWRAP].detail == f"{APP}, {LOADER} (kms:ReEncryptFrom)"
        assert found[LET_IN].detail == f"{ADMIN} (kms:CreateGrant, kms:PutKeyPolicy)"

    def test_many_are_counted(self, key: Key) -> None:
        """A line stays a line."""
        for number in range(9):
            key.grant(f"{APP}-{number}", "Decrypt")
        assert key.findings()[UNWRAP].detail.endswith("and 5 more")


def test_everyone_but_some() -> None:
    """NotPrincipal and NotAction mean the rest, of whom a refusal takes away."""
    besides = {"Effect": "Deny", "NotPrincipal": {"AWS": [APP]}, "NotAction": "kms:Encrypt", "Resource": "*"}
    policy = {"Statement": [besides, allow(APP, USES), allow(LOADER, USES)]}
    assert Principal("AWS", "*", (APP,)).includes(Principal("AWS", LOADER))
    assert not Principal("AWS", "*", (APP,)).includes(Principal("AWS", APP))
    assert permitted(json.dumps(policy)) == {
        *(Permission(Principal("AWS", APP), action, "") for action in USES),
        Permission(Principal("AWS", LOADER), "kms:Encrypt", ""),
    }


def test_a_refusal_to_an_account_meets_everybody_in_it() -> None:
    """And nobody in another one."""
    elsewhere = APP.replace(ACCOUNT, "444455556666")
    policy = {"Statement": [deny(ROOT, "kms:*"), allow(APP, USES), allow(elsewhere, DECRYPT)]}
    assert permitted(json.dumps(policy)) == {Permission(Principal("AWS", elsewhere), DECRYPT, "")}


def test_pages_of_grants_are_read_to_the_end() -> None:
    """The one that counts may be on the last one."""
    arn = KeyArn.configured("arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab")
    client = boto3.client("kms", region_name=HOME, aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_response("get_key_policy", {"Policy": json.dumps({"Statement": BOTH})})
        grant = {"GranteePrincipal": LOADER, "Operations": ["Encrypt"]}
        stub.add_response("list_grants", {"Grants": [], "NextMarker": "next", "Truncated": True})
        stub.add_response("list_grants", {"Grants": [grant], "Truncated": False})
        (found, *_) = examine_access(client, arn, rsa=False)
    assert LOADER in found.detail
