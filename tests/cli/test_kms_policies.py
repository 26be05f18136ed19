"""`fieldcrypt kms policy`: policies, evaluated as IAM does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from operator import eq as operator_eq
from typing import Any

import pytest

from tests.cli.kms import ARN, AWAY, HOME, one_line, policy, run

SINGLE = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/app"

CONTEXT = {
    "fieldcrypt:key-id": "00" * 16,
    "fieldcrypt:purpose": "encryption",
    "fieldcrypt:created": "2026-11-23T14:49:00Z",
}

CLINIC_7 = {**CONTEXT, "fieldcrypt:tenant": "clinic-7"}


class Request:
    """A request to KMS: an action on a key with an encryption context, by a principal."""

    def __init__(
        self,
        action: str,
        context: Mapping[str, str] | None = None,
        *,
        key: str = ARN,
        by: str = ROLE,
        algorithm: str = "SYMMETRIC_DEFAULT",
    ) -> None:
        self.action, self.key, self.by = action, key, by
        self.values: dict[str, list[str]] = {"kms:EncryptionAlgorithm": [algorithm]}
        if context:
            self.values["kms:EncryptionContextKeys"] = list(context)
            for name, value in context.items():
                self.values[f"kms:EncryptionContext:{name}"] = [value]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def holds(operator: str, values: list[str] | None, wanted: list[str]) -> bool:
    """Whether a condition holds for the values of a key in a request; None if the request has no such key."""
    if operator == "Null":
        return wanted == [("true" if values is None else "false")]
    quantifier, _, comparison = operator.rpartition(":")
    compare: Callable[[str, str], bool] = {"StringEquals": operator_eq, "StringLike": fnmatchcase}[comparison]
    matches = [any(compare(value, one) for one in wanted) for value in values or ()]
    if quantifier == "ForAllValues":
        return all(matches)  # also of none
    assert quantifier in ("", "ForAnyValue")
    assert quantifier or len(matches) < 2
    return any(matches)


def applies(statement: Mapping[str, Any], request: Request) -> bool:
    principals = as_list(statement.get("Principal", {"AWS": request.by})["AWS"])
    account = f"arn:aws:iam::{request.by.split(':')[4]}:root"
    named = {name.lower(): values for name, values in request.values.items()}  # condition keys ignore case
    return (
        any(principal in (request.by, account, "*") for principal in principals)
        and any(fnmatchcase(request.action, pattern) for pattern in as_list(statement["Action"]))
        and any(fnmatchcase(request.key, pattern) for pattern in as_list(statement["Resource"]))
        and all(
            holds(operator, named.get(name.lower()), [plain(one) for one in as_list(wanted)])
            for operator, conditions in statement.get("Condition", {}).items()
            for name, wanted in conditions.items()
        )
    )


def plain(value: str) -> str:
    """Resolve policy variables: `${$}` is the one that these policies have."""
    resolved = value.replace("${$}", "$")
    assert "${" not in value.replace("${$}", "")
    return resolved


def allows(policy: Mapping[str, Any], request: Request) -> bool:
    effects = {statement["Effect"] for statement in policy["Statement"] if applies(statement, request)}
    return effects == {"Allow"}


@pytest.fixture(params=["KeyPolicy", "IamPolicy"])
def which(request: pytest.FixtureRequest) -> str:
    """Each fact holds in both documents."""
    kind: str = request.param
    return kind


TENANT = ("--tenant", "clinic-7")


class TestReader:
    def test_it_decrypts(self, which: str) -> None:
        """Data keys of any tenant and of none, if no tenant is named."""
        for context in (CONTEXT, CLINIC_7):
            assert allows(policy(which, "reader"), Request("kms:Decrypt", context))

    @pytest.mark.parametrize("action", ["Encrypt", "GenerateDataKey", "ReEncryptFrom", "CreateGrant", "DescribeKey"])
    def test_it_does_nothing_else(self, which: str, action: str) -> None:
        """Above all it does not encrypt: with a principal of its own, or as somebody of the account."""
        document = policy(which, "reader", "--principal", ROLE)
        assert not allows(document, Request(f"kms:{action}", CONTEXT)) or (which, action) == (
            "KeyPolicy",
            "DescribeKey",
        )

    def test_it_decrypts_for_its_tenant(self, which: str) -> None:
        """The tenant is in the encryption context."""
        assert allows(policy(which, "reader", *TENANT), Request("kms:Decrypt", CLINIC_7))

    @pytest.mark.parametrize("tenant", ["clinic-8", "CLINIC-7", "clinic-70", "clinic-7 ", "*"])
    def test_it_does_not_decrypt_for_another_tenant(self, which: str, tenant: str) -> None:
        """The whole name counts."""
        request = Request("kms:Decrypt", {**CONTEXT, "fieldcrypt:tenant": tenant})
        assert not allows(policy(which, "reader", *TENANT), request)

    def test_it_does_not_decrypt_what_belongs_to_no_tenant(self, which: str) -> None:
        """A condition on a tenant requires one."""
        assert not allows(policy(which, "reader", *TENANT), Request("kms:Decrypt", CONTEXT))

    def test_several_tenants_are_each_allowed(self, which: str) -> None:
        """And no third one."""
        document = policy(which, "reader", *TENANT, "--tenant", "clinic-9")
        answers = [
            allows(document, Request("kms:Decrypt", {**CONTEXT, "fieldcrypt:tenant": f"clinic-{number}"}))
            for number in (7, 8, 9)
        ]
        assert answers == [True, False, True]

    @pytest.mark.parametrize(
        "context",
        [
            None,
            {},
            {"fieldcrypt:purpose": "blind-index"},
            {**CONTEXT, "fieldcrypt:purpose": "blind-index"},
            {**CONTEXT, "app": "other"},
            {**CONTEXT, "FIELDCRYPT:TENANT": "clinic-7"},
            {key: value for key, value in CONTEXT.items() if key != "fieldcrypt:purpose"},
        ],
        ids=str,
    )
    def test_other_contexts_are_not_fieldcrypts(self, which: str, context: dict[str, str] | None) -> None:
        """No context, another purpose, keys that are not ours or are written otherwise."""
        assert not allows(policy(which, "reader"), Request("kms:Decrypt", context))

    def test_blind_indexes_have_to_be_allowed(self, which: str) -> None:
        """Who may search may make tags; tenants are kept apart there too."""
        index = {**CLINIC_7, "fieldcrypt:purpose": "blind-index"}
        for role in ("reader", "writer"):
            assert allows(policy(which, role, "--index"), Request("kms:Decrypt", index))
            assert allows(policy(which, role, "--index", *TENANT), Request("kms:Decrypt", index))
            assert allows(policy(which, role, "--index"), Request("kms:Decrypt", CONTEXT))
            elsewhere = {**index, "fieldcrypt:tenant": "clinic-8"}
            assert not allows(policy(which, role, "--index", *TENANT), Request("kms:Decrypt", elsewhere))

    def test_a_tenant_like_a_policy_variable_is_meant_as_it_is(self, which: str) -> None:
        """`${aws:username}` would else be whoever calls."""
        document = policy(which, "reader", "--tenant", "${aws:username}")
        assert allows(document, Request("kms:Decrypt", {**CONTEXT, "fieldcrypt:tenant": "${aws:username}"}))
        assert "${aws:username}" not in json.dumps(document)


class TestWriter:
    def test_it_encrypts_and_decrypts(self, which: str) -> None:
        """A writer unwraps its active key after a restart."""
        for action in ("kms:Encrypt", "kms:Decrypt"):
            assert allows(policy(which, "writer"), Request(action, CONTEXT))
            assert allows(policy(which, "writer", *TENANT), Request(action, CLINIC_7))

    def test_one_for_a_tenant_cannot_leave_the_tenant_out(self, which: str) -> None:
        """Nor name another one."""
        document = policy(which, "writer", *TENANT)
        assert not allows(document, Request("kms:Encrypt", CONTEXT))
        assert not allows(document, Request("kms:Encrypt", {**CONTEXT, "fieldcrypt:tenant": "clinic-8"}))

    def test_it_does_not_manage(self) -> None:
        """Its IAM policy has no management in it."""
        for action in ("PutKeyPolicy", "DisableKey", "ScheduleKeyDeletion", "CreateGrant"):
            assert not allows(policy("IamPolicy", "writer"), Request(f"kms:{action}"))


class TestAdmin:
    @pytest.mark.parametrize("action", ["Encrypt", "Decrypt", "GenerateDataKey", "ReEncryptFrom", "CreateGrant"])
    def test_it_uses_no_key(self, which: str, action: str) -> None:
        """Whatever the context; nor can it give a grant to itself."""
        document = policy(which, "admin", "--principal", ROLE)
        for context in (None, CONTEXT, CLINIC_7):
            assert not allows(document, Request(f"kms:{action}", context))

    @pytest.mark.parametrize(
        "action",
        [
            *("DescribeKey", "GetKeyRotationStatus", "EnableKeyRotation", "ReplicateKey", "GetKeyPolicy"),
            *("PutKeyPolicy", "CreateAlias", "UpdateAlias", "EnableKey", "DisableKey", "TagResource"),
            *("ScheduleKeyDeletion", "CancelKeyDeletion"),
        ],
    )
    def test_it_manages_the_key(self, which: str, action: str) -> None:
        """What `fieldcrypt kms create` and `fieldcrypt doctor` ask for, and what an operator needs."""
        assert allows(policy(which, "admin", "--principal", ROLE), Request(f"kms:{action}"))

    @pytest.mark.parametrize("action", ["kms:CreateKey", "kms:ListAliases"])
    def test_it_makes_keys(self, action: str) -> None:
        """On the IAM side alone, because a key to be made has no policy yet."""
        assert allows(policy("IamPolicy", "admin"), Request(action, key="*"))

    def test_it_names_keys(self) -> None:
        """Permission on the alias as well as on the key."""
        alias = "arn:aws:kms:eu-west-1:111122223333:alias/fieldcrypt-prod"
        assert allows(policy("IamPolicy", "admin"), Request("kms:CreateAlias", key=alias))

    def test_it_manages_no_other_key(self) -> None:
        """Its IAM policy names one."""
        other = ARN.replace("1234abcd", "ffffffff")
        assert not allows(policy("IamPolicy", "admin"), Request("kms:DisableKey", key=other))


class TestKeyPolicy:
    @pytest.mark.parametrize("role", ["writer", "reader", "admin"])
    def test_the_account_can_always_change_it(self, role: str) -> None:
        """Nobody is locked out."""
        by = "arn:aws:iam::111122223333:role/somebody"
        assert allows(policy("KeyPolicy", role, "--principal", ROLE), Request("kms:PutKeyPolicy", by=by))

    @pytest.mark.parametrize("role", ["writer", "reader"])
    def test_named_principals_are_the_only_users(self, role: str) -> None:
        """An IAM policy with `kms:*` for everything reads nothing, for the account's statement has no Decrypt."""
        document = policy("KeyPolicy", role, "--principal", ROLE)
        assert allows(document, Request("kms:Decrypt", CONTEXT))
        assert not allows(document, Request("kms:Decrypt", CONTEXT, by="arn:aws:iam::111122223333:role/somebody"))

    def test_without_principals_iam_policies_decide(self) -> None:
        """The account may delegate what the role does, in fieldcrypt's contexts, and no more."""
        document = policy("KeyPolicy", "reader")
        assert allows(document, Request("kms:Decrypt", CONTEXT))
        assert not allows(document, Request("kms:Decrypt", None))
        assert not allows(document, Request("kms:Encrypt", CONTEXT))

    def test_kms_may_synchronize_a_multi_region_key(self) -> None:
        """Its service-linked role works by an IAM policy, which the key policy has to admit."""
        assert allows(policy("KeyPolicy", "admin"), Request("kms:SynchronizeMultiRegionKey"))
        assert not allows(
            policy("KeyPolicy", "admin", key=SINGLE), Request("kms:SynchronizeMultiRegionKey", key=SINGLE)
        )


class TestIamPolicy:
    def test_a_multi_region_key_is_meant_in_every_region(self) -> None:
        """A policy that names one region makes KMS refuse in the others, and a refusal stops."""
        request = Request("kms:Decrypt", CONTEXT, key=ARN.replace(HOME, AWAY))
        assert allows(policy("IamPolicy", "reader"), request)

    def test_a_single_region_key_is_meant_in_its_own(self) -> None:
        """Its ARN, as it is."""
        document = policy("IamPolicy", "reader", key=SINGLE)
        assert allows(document, Request("kms:Decrypt", CONTEXT, key=SINGLE))
        assert not allows(document, Request("kms:Decrypt", CONTEXT, key=SINGLE.replace(HOME, AWAY)))

    def test_another_account_is_not_meant(self) -> None:
        """Whatever the key's id."""
        assert not allows(
            policy("IamPolicy", "reader"), Request("kms:Decrypt", CONTEXT, key=ARN.replace("1111", "4444"))
        )


class TestRsa:
    OAEP = "RSAES_OAEP_SHA_256"

    def test_a_writer_gets_the_public_key_and_nothing_else(self, which: str) -> None:
        """A service that only writes can read nothing, not even what it wrote."""
        document = policy(which, "writer", "--rsa")
        assert allows(document, Request("kms:GetPublicKey"))
        assert not allows(document, Request("kms:Decrypt", algorithm=self.OAEP))
        assert not allows(document, Request("kms:Encrypt", algorithm=self.OAEP))

    def test_a_reader_decrypts_what_fieldcrypt_wraps(self, which: str) -> None:
        """By fieldcrypt's algorithm; no condition asks for a context, which such keys do not have."""
        document = policy(which, "reader", "--rsa")
        assert allows(document, Request("kms:Decrypt", algorithm=self.OAEP))
        assert not allows(document, Request("kms:Decrypt", algorithm="RSAES_OAEP_SHA_1"))
        assert "EncryptionContext" not in json.dumps(document)

    def test_tenants_are_refused(self) -> None:
        """No policy can tell them apart."""
        assert "no encryption context" in one_line(run("policy", "reader", "--key", ARN, "--rsa", *TENANT), 2)


class TestPolicyMistakes:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("reader", "--key", "mrk-1"), "the account"),
            (("reader", "--key", ARN[:-1]), "not the ARN"),
            (("reader", "--key", "arn:aws:kms:us-east-1:111122223333:alias/mine"), "alias"),
            (("reader", "--key", ARN, "--principal", "*"), "IAM role or user"),
            (("reader", "--key", ARN, "--principal", ROLE.replace("aws", "aws-cn", 1)), "IAM role or user"),
            (("reader", "--key", ARN, "--principal", "arn:aws:iam::111122223333:root"), "IAM role or user"),
            (("admin", "--key", ARN, *TENANT), "uses no data keys"),
            (("reader", "--key", ARN, "--tenant", ""), "1 to 255 bytes"),
            (("reader", "--key", ARN, "--tenant", "診療所"), "does not accept in a policy"),
        ],
    )
    def test_it_is_said_in_a_line(self, arguments: tuple[str, ...], said: str) -> None:
        """Exit code 2, and nothing on stdout that a script could take for a policy."""
        assert said in one_line(run("policy", *arguments), 2)
