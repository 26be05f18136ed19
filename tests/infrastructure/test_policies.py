"""The policies of infrastructure/, beside what `fieldcrypt kms policy` prints."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fieldcrypt import Encryptor, MemoryKeyStore
from fieldcrypt.cli.kms.policies import Permission, Role, iam_policy, key_policy
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.testing import LocalAws
from tests.infrastructure.cloudformation import Template

ROOT = Path(__file__).parents[2] / "infrastructure"
KEY = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
TABLE = "arn:aws:dynamodb:*:111122223333:table/data-keys"
ADMIN, INTAKE, REPORTS = (f"arn:aws:iam::111122223333:role/{name}" for name in ("admin", "intake", "reports"))
GRANTS: list[dict[str, Any]] = [
    {"role": "admin", "principals": [ADMIN]},
    {"role": "writer", "principals": [INTAKE], "index": True, "whole_store": True},
    {"role": "reader", "principals": [REPORTS, INTAKE], "tenants": ["clinic-7", "${aws:username}"]},
]


def wanted(grant: Mapping[str, Any]) -> dict[str, Any]:
    """The key policy that the command prints for a grant."""
    permission = Permission(Role(grant["role"]), tuple(grant.get("tenants", ())), searches=grant.get("index", False))
    return key_policy(KeyArn.configured(KEY), permission, grant["principals"])


def plain(statement: Mapping[str, Any]) -> Any:
    """A statement without its name, and with lists where AWS takes a single value for a list."""

    def listed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: listed(each) for name, each in value.items()}
        return sorted(value) if isinstance(value, list) else [value]

    return listed({name: value for name, value in statement.items() if name != "Sid"})


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What infrastructure/terraform/policy computes for the grants: it has no resources, and needs no provider."""
    program = shutil.which("terraform") or shutil.which("tofu")
    if program is None:
        pytest.skip("there is neither terraform nor tofu, which compute these policies")
    module = tmp_path_factory.mktemp("terraform") / "policy"
    shutil.copytree(ROOT / "terraform/policy", module)
    variables = {"key_arn": KEY, "table_name": "data-keys", "grants": GRANTS}
    (module / "terraform.tfvars.json").write_text(json.dumps(variables))

    def run(*arguments: str) -> str:
        command = [program, f"-chdir={module}", *arguments]
        environment = {"TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1", "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    run("init", "-input=false")
    run("apply", "-input=false", "-auto-approve")
    outputs = json.loads(run("output", "-json"))
    return {
        "key": json.loads(outputs["key_policy"]["value"]),
        "iam": [json.loads(policy) for policy in outputs["iam_policies"]["value"]],
    }


def test_terraform_gives_the_key_all_statements_of_the_command(terraform: dict[str, Any]) -> None:
    account = plain(wanted(GRANTS[0])["Statement"][0])
    roles = [plain(wanted(grant)["Statement"][1]) for grant in GRANTS]
    assert [plain(statement) for statement in terraform["key"]["Statement"]] == [account, *roles]


def test_terraform_names_its_statements_differently(terraform: dict[str, Any]) -> None:
    """AWS refuses a policy with two statements of one name."""
    names = [statement["Sid"] for statement in terraform["key"]["Statement"]]
    assert len({*names}) == len(names)
    assert all(name.isalnum() for name in names)


@pytest.mark.parametrize("number", [1, 2])
def test_terraform_gives_a_role_the_identity_policy_of_the_command(terraform: dict[str, Any], number: int) -> None:
    """And, of the key store's table, no more than its part of the work takes."""
    grant = GRANTS[number]
    permission = Permission(Role(str(grant["role"])), tuple(grant.get("tenants", ())), searches="index" in grant)
    key, items, tenants = (plain(statement) for statement in terraform["iam"][number]["Statement"])
    assert key == plain(iam_policy(KeyArn.configured(KEY), permission)["Statement"][0])
    actions = [["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Scan"], ["dynamodb:GetItem"]][number - 1]
    assert (items["Action"], items["Resource"]) == (actions, [TABLE])
    assert (tenants["Action"], tenants["Resource"]) == (["dynamodb:Query"], [f"{TABLE}/index/by_tenant"])


TEMPLATES = ["primary-key.yaml", "replica-key.yaml"]
PRINCIPALS = {"Admins": [ADMIN], "Writers": [INTAKE], "Readers": [REPORTS]}


def template(name: str, **parameters: Any) -> Template:
    """A template of CloudFormation with its intrinsic functions computed."""
    return Template(ROOT / "cloudformation" / name, account="111122223333", parameters=parameters)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("search", ["true", "false"])
def test_cloudformation_gives_the_key_all_statements_of_the_command(name: str, search: str) -> None:
    found = template(name, Search=search, **PRINCIPALS).resources["Key"]["Properties"]["KeyPolicy"]["Statement"]
    index = search == "true"
    grants: list[dict[str, Any]] = [
        {"role": "admin", "principals": [ADMIN]},
        {"role": "writer", "principals": [INTAKE], "index": index},
        {"role": "reader", "principals": [REPORTS], "index": index},
    ]
    account = plain(wanted(grants[0])["Statement"][0])
    assert [plain(each) for each in found] == [account, *(plain(wanted(grant)["Statement"][1]) for grant in grants)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_cloudformation_leaves_out_the_statements_of_roles_that_nobody_has(name: str) -> None:
    """An empty list of principals is refused by AWS."""
    found = template(name).resources["Key"]["Properties"]["KeyPolicy"]["Statement"]
    assert [statement["Sid"] for statement in found] == ["AccountManagesKey"]


@pytest.mark.parametrize("name", [*TEMPLATES, "key-table.yaml"])
def test_cloudformation_keeps_what_the_data_needs_when_a_stack_is_deleted(name: str) -> None:
    needed = [each for each in template(name).resources.values() if each["Type"] != "AWS::KMS::Alias"]
    assert needed
    assert {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in needed} == {("Retain", "Retain")}


def test_a_key_with_the_properties_of_the_template_serves_an_encryptor(aws: LocalAws) -> None:
    """CloudFormation hands them to CreateKey."""
    properties = template("primary-key.yaml", **PRINCIPALS).resources["Key"]["Properties"]
    client = aws.kms(aws.regions[0])
    key = client.create_key(MultiRegion=properties["MultiRegion"], Policy=json.dumps(properties["KeyPolicy"]))
    encryptor = Encryptor(AwsKmsKeyProvider(key["KeyMetadata"]["Arn"], client_factory=aws.kms), MemoryKeyStore())
    field = encryptor.field("patients.ssn", str)
    assert field.decrypt(field.encrypt("078-05-1120")) == "078-05-1120"
