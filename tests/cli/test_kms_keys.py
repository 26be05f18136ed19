"""`fieldcrypt kms create`: keys made and completed in regions on this machine."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fieldcrypt import Encryptor
from fieldcrypt.cli import output
from fieldcrypt.cli.kms import keys as kms_keys
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.cli.kms import ARN, AWAY, HOME, THIRD, one_line, run

names = (f"test-{number}" for number in itertools.count())


@pytest.fixture
def local(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """AWS as boto3 finds it by its own environment variables; one port serves every region."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", aws.endpoint(HOME))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return aws


@pytest.fixture
def name(local: LocalAws) -> str:
    """An alias that nobody used."""
    return next(names)


def create(name: str, *options: str, replicas: tuple[str, ...] = (AWAY, THIRD)) -> Result:
    chosen = [option for region in replicas for option in ("--replica", region)]
    return run("create", "--alias", name, "--region", HOME, *chosen, *options)


def created(name: str, *options: str, replicas: tuple[str, ...] = (AWAY, THIRD)) -> dict[str, Any]:
    result = create(name, "--yes", "--json", *options, replicas=replicas)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def kms_at(local: LocalAws, region: str) -> Any:
    """A client for a region, which need not be one that has a port."""
    import boto3

    return boto3.client("kms", region_name=region, endpoint_url=local.endpoint(HOME))


def count_keys(local: LocalAws, region: str = HOME) -> int:
    return len(kms_at(local, region).list_keys()["Keys"])


class TestCreate:
    def test_a_key_is_made_in_every_region(self, local: LocalAws, name: str) -> None:
        """One id, an ARN and an enabled state in each, one primary."""
        answer = created(name)
        ids = {key["arn"].rpartition("/")[2] for key in answer["keys"]}
        assert len(ids) == 1
        for key in answer["keys"]:
            metadata = kms_at(local, key["region"]).describe_key(KeyId=key["arn"])["KeyMetadata"]
            assert (metadata["Arn"], metadata["KeyState"]) == (key["arn"], "Enabled")
            kind = metadata["MultiRegionConfiguration"]["MultiRegionKeyType"]
            assert kind == ("PRIMARY" if key["region"] == HOME else "REPLICA")

    def test_every_region_has_the_alias(self, local: LocalAws, name: str) -> None:
        """It points to the region's own key."""
        for key in created(name)["keys"]:
            found = kms_at(local, key["region"]).describe_key(KeyId=f"alias/{name}")["KeyMetadata"]
            assert found["Arn"] == key["arn"]

    @pytest.mark.parametrize(("options", "days"), [((), 365), (("--rotation-days", "180"), 180)])
    def test_it_rotates(self, local: LocalAws, name: str, options: tuple[str, ...], days: int) -> None:
        """Every year, or as often as wanted; the replicas say so too."""
        answer = created(name, *options)
        status = kms_at(local, AWAY).get_key_rotation_status(KeyId=answer["keys"][1]["arn"])
        assert status["RotationPeriodInDays"] == answer["rotation_days"] == days

    def test_the_line_to_paste_makes_a_provider(self, local: LocalAws, name: str) -> None:
        """What the first region encrypts, another one decrypts."""
        answer = created(name, replicas=(AWAY,))
        assert '["us-east-1", "eu-west-1"]' in answer["provider"]
        writer = eval(answer["provider"])  # noqa: S307 (what a user would do with it)
        value = Encryptor(writer).field("a.b", str).encrypt("x")
        reader = AwsKmsKeyProvider(answer["keys"][0]["arn"], [AWAY], client_factory=local.kms)
        assert Encryptor(reader).field("a.b", str).decrypt(value) == "x"

    def test_people_get_a_table(self, local: LocalAws, name: str) -> None:
        """With every region and whole ARNs, and the line to paste below it."""
        result = create(name, "--yes")
        assert result.exit_code == 0, result.output
        arn = kms_at(local, HOME).describe_key(KeyId=f"alias/{name}")["KeyMetadata"]["Arn"]
        for region in (HOME, AWAY, THIRD):
            (row,) = (line for line in result.stdout.splitlines() if f" {region} " in line)
            assert arn.replace(HOME, region) in row
            assert ("made: key, alias" if region == HOME else "made: replica, alias") in row
        assert f'AwsKmsKeyProvider("{arn}", regions=["{HOME}", "{AWAY}", "{THIRD}"])' in result.stdout.splitlines()

    def test_a_key_can_be_copied_from_a_narrow_terminal(
        self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The ARN of each is in one piece, though no table has room for it."""
        monkeypatch.setattr(output, "_WIDTH", 80)
        assert f"key arn:aws:kms:{AWAY}:" in create(name, "--yes").stdout
        assert all(key["arn"] in create(name, "--yes").stdout for key in created(name)["keys"])

    def test_a_policy_is_put_on_every_key(self, local: LocalAws, name: str, tmp_path: Path) -> None:
        """The file's, as it is; and the description likewise."""
        document = json.loads(run("policy", "reader", "--key", ARN).stdout)["KeyPolicy"]
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(document))
        for key in created(name, "--policy", str(file), "--description", "patients")["keys"]:
            client = kms_at(local, key["region"])
            found = client.get_key_policy(KeyId=key["arn"], PolicyName="default")["Policy"]
            assert json.loads(found) == document
            assert client.describe_key(KeyId=key["arn"])["KeyMetadata"]["Description"] == "patients"

    def test_it_asks_first(self, local: LocalAws, name: str) -> None:
        """Saying what will be made and that keys cost money; without a yes nothing is made."""
        before = count_keys(local)
        result = create(name)
        assert result.exit_code == 1
        assert count_keys(local) == before
        for what in ("a multi-Region key in us-east-1", "a replica in eu-west-1", "charges", "per month and region"):
            assert what in result.stderr

    def test_a_yes_goes_on(self, local: LocalAws, name: str) -> None:
        """Its question goes to stderr, so that stdout has nothing but JSON."""
        result = run("create", "--alias", name, "--region", HOME, "--json", stdin="y\n")
        assert json.loads(result.stdout)["keys"][0]["made"] == ["key", "alias", "rotation every 365 days"]


class TestRepetition:
    def test_nothing_is_made_twice(self, local: LocalAws, name: str) -> None:
        """A second run finds everything, asks nothing, and says so."""
        first = created(name)
        before = count_keys(local)
        result = create(name, "--json")
        again = json.loads(result.stdout)
        assert [key["made"] for key in again["keys"]] == [[], [], []]
        assert [key["arn"] for key in again["keys"]] == [key["arn"] for key in first["keys"]]
        assert count_keys(local) == before
        assert create(name).stdout.count("existed") == 3

    def test_a_region_is_added(self, local: LocalAws, name: str) -> None:
        """A replica of the same key, and nothing else."""
        first = created(name, replicas=(AWAY,))
        again = created(name)
        assert [key["made"] for key in again["keys"]] == [[], [], ["replica", "alias"]]
        assert again["keys"][2]["arn"] == first["keys"][0]["arn"].replace(HOME, THIRD)

    def test_a_replica_that_is_added_gets_its_primarys_policy(self, local: LocalAws, name: str, tmp_path: Path) -> None:
        """AWS's default would let in whom that policy keeps out."""
        file = tmp_path / "policy.json"
        file.write_text(json.dumps(json.loads(run("policy", "reader", "--key", ARN).stdout)["KeyPolicy"]))
        created(name, "--policy", str(file), replicas=())
        added = created(name, replicas=(AWAY,))["keys"][1]
        found = kms_at(local, AWAY).get_key_policy(KeyId=added["arn"], PolicyName="default")["Policy"]
        assert json.loads(found) == json.loads(file.read_text())

    def test_a_lost_alias_is_made_again(self, local: LocalAws, name: str) -> None:
        """In the region that lacks it."""
        created(name)
        kms_at(local, AWAY).delete_alias(AliasName=f"alias/{name}")
        assert [key["made"] for key in created(name)["keys"]] == [[], ["alias"], []]

    @pytest.mark.parametrize(
        ("options", "made", "days"), [((), [], 180), (("--rotation-days", "90"), ["rotation every 90 days"], 90)]
    )
    def test_rotation_that_is_on_is_left_unless_a_period_is_named(
        self, local: LocalAws, name: str, options: tuple[str, ...], made: list[str], days: int
    ) -> None:
        """A year is the default for a key without rotation only."""
        created(name, "--rotation-days", "180", replicas=())
        answer = created(name, *options, replicas=())
        assert (answer["keys"][0]["made"], answer["rotation_days"]) == (made, days)

    def test_rotation_that_is_off_is_turned_on(self, local: LocalAws, name: str) -> None:
        """As for a key that someone made by hand."""
        client = kms_at(local, HOME)
        made = client.create_key(MultiRegion=True)["KeyMetadata"]
        client.create_alias(AliasName=f"alias/{name}", TargetKeyId=made["KeyId"])
        assert created(name, replicas=())["keys"][0]["made"] == ["rotation every 365 days"]


class TestObstacles:
    def alias(self, local: LocalAws, name: str, region: str = HOME, **key: Any) -> str:
        client = kms_at(local, region)
        made = client.create_key(**key)["KeyMetadata"]
        client.create_alias(AliasName=f"alias/{name}", TargetKeyId=made["KeyId"])
        key_id: str = made["KeyId"]
        return key_id

    @pytest.mark.parametrize(
        ("key", "said"),
        [
            ({}, "a key for that region alone"),
            ({"MultiRegion": True, "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}, "RSA_2048, not symmetric"),
            ({"MultiRegion": True, "Origin": "EXTERNAL"}, "imported material"),
        ],
    )
    def test_an_alias_of_another_kind_of_key_is_left_alone(
        self, local: LocalAws, name: str, key: dict[str, Any], said: str
    ) -> None:
        """A line says what it points to."""
        self.alias(local, name, **key)
        before = count_keys(local)
        line = one_line(create(name, "--yes"), 1)
        assert said in line
        assert f"alias/{name} in us-east-1" in line
        assert count_keys(local) == before

    @pytest.mark.parametrize(
        ("stop", "said"), [("disable_key", "Disabled"), ("schedule_key_deletion", "PendingDeletion")]
    )
    @pytest.mark.parametrize("region", [HOME, AWAY])
    def test_a_stopped_key_is_left_alone(self, local: LocalAws, name: str, stop: str, said: str, region: str) -> None:
        """Primary or replica: somebody decided so. Other regions get no replica either."""
        key = created(name, replicas=(AWAY,))["keys"][0]["arn"].rpartition("/")[2]
        getattr(kms_at(local, region), stop)(KeyId=key)
        before = count_keys(local, THIRD)
        line = one_line(create(name, "--yes"), 1)
        assert said in line
        assert region in line
        assert count_keys(local, THIRD) == before

    def test_a_replica_is_no_primary(self, local: LocalAws, name: str) -> None:
        """The line says where the primary is."""
        created(name)
        assert "use --region us-east-1" in one_line(run("create", "--alias", name, "--region", AWAY, "--yes"), 1)

    def test_an_alias_of_another_key_in_a_replicas_region_is_left_alone(self, local: LocalAws, name: str) -> None:
        """Found before a key is made."""
        self.alias(local, name, AWAY)
        before = count_keys(local)
        assert "eu-west-1 points to another key" in one_line(create(name, "--yes"), 1)
        assert count_keys(local) == before

    def test_what_was_made_before_a_refusal_is_said(
        self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And that the same command goes on; it does."""

        def refuse(*_: Any) -> None:
            raise kms_keys.SetupError("eu-west-1: no")

        with monkeypatch.context() as patch:
            patch.setattr(kms_keys.KeySetup, "_replicate", refuse)
            line = one_line(create(name, "--yes"), 1)
        assert "made before that: key in us-east-1, alias in us-east-1" in line
        assert "same command goes on" in line
        assert [key["made"] for key in created(name)["keys"]] == [[], ["replica", "alias"], ["replica", "alias"]]

    def test_a_key_that_stays_without_an_alias_is_named(
        self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else a repetition would make a second one, unnoticed."""

        def refuse(*_: Any) -> None:
            raise kms_keys.SetupError("us-east-1: no")

        monkeypatch.setattr(kms_keys.KeySetup, "_name", refuse)
        line = one_line(create(name, "--yes"), 1)
        assert "arn:aws:kms:us-east-1:123456789012:key/mrk-" in line
        assert "second key" in line

    def test_waiting_for_a_replica_has_an_end(
        self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One that stays in creation is reported, not waited for for ever."""
        describe = kms_keys.KeySetup._describe

        def creating(self: Any, region: str, key_id: str) -> Any:
            found = describe(self, region, key_id)
            return found if found is None or region == HOME else {**found, "KeyState": "Creating"}

        monkeypatch.setattr(kms_keys.KeySetup, "_describe", creating)
        monkeypatch.setattr(kms_keys, "_MAX_WAIT", 0.1)
        monkeypatch.setattr(kms_keys, "_PAUSE", 0.02)
        assert "still being created" in one_line(create(name, "--yes"), 1)

    def test_a_replica_is_waited_for(self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """It may not be found at first, and then be in creation, for some seconds."""
        states: Iterator[str | None] = iter([None, "Creating", "Enabled"])
        describe = kms_keys.KeySetup._describe

        def slowly(self: Any, region: str, key_id: str) -> Any:
            found = describe(self, region, key_id)
            if found is None or region == HOME:
                return found
            state = next(states)
            return None if state is None else {**found, "KeyState": state}

        monkeypatch.setattr(kms_keys.KeySetup, "_describe", slowly)
        monkeypatch.setattr(kms_keys, "_PAUSE", 0.0)
        assert created(name, replicas=(AWAY,))["keys"][1]["state"] == "Enabled"
        assert next(states, "none left") == "none left"


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--alias", "aws/mine", "--region", HOME), "not an alias"),
            (("--alias", "a b", "--region", HOME), "not an alias"),
            (("--alias", "a", "--region", "Frankfurt"), "not an AWS region"),
            (("--alias", "a", "--region", HOME, "--replica", "eu"), "not an AWS region"),
            (("--alias", "a", "--region", HOME, "--replica", HOME), "named twice"),
            (("--alias", "a", "--region", HOME, "--policy", "/nonexistent"), "cannot be used as a key policy"),
        ],
    )
    def test_a_wrong_option_is_said_in_a_line(self, local: LocalAws, options: tuple[str, ...], said: str) -> None:
        """Before anything is asked of AWS."""
        assert said in one_line(run("create", "--yes", *options), 2)

    @pytest.mark.parametrize(
        ("text", "said"),
        [("{", "cannot be used"), ("7", "cannot be used"), ("[]", "no Statement"), ('{"KeyPolicy": {}}', "alone")],
    )
    def test_a_malformed_policy_file_is_said_in_a_line(
        self, local: LocalAws, name: str, tmp_path: Path, text: str, said: str
    ) -> None:
        """And if it is both policies of `fieldcrypt kms policy`, which of them is meant."""
        file = tmp_path / "policy.json"
        file.write_text(text)
        assert said in one_line(create(name, "--yes", "--policy", str(file)), 2)

    def test_a_policy_that_aws_refuses_is_said_in_a_line(self, local: LocalAws, name: str, tmp_path: Path) -> None:
        """With AWS's own code; no key is made."""
        file = tmp_path / "policy.json"
        file.write_text('{"Statement": [{"Effect": "Deny"}]}')
        assert "MalformedPolicyDocumentException" in one_line(create(name, "--yes", "--policy", str(file)), 1)

    def test_missing_credentials_are_said_in_a_line(
        self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No traceback of boto3's."""
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(variable)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        assert "credentials" in one_line(create(name, "--yes"), 1)

    @pytest.mark.parametrize(
        ("variable", "value", "said"),
        [
            ("AWS_PROFILE", "nobody", "nobody"),
            ("AWS_ENDPOINT_URL_KMS", "nowhere", "Invalid endpoint"),
            ("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9", "Could not connect"),
        ],
    )
    def test_what_boto3_cannot_use_is_said_in_a_line(
        self, local: LocalAws, name: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
    ) -> None:
        """A profile or an endpoint that does not exist."""
        monkeypatch.setenv(variable, value)
        assert said in one_line(create(name, "--yes"), 1)

    def test_a_denial_is_said_in_a_line(self, local: LocalAws, name: str) -> None:
        """With the region, the operation and the code."""
        arn = created(name, replicas=())["keys"][0]["arn"]
        account = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:GetKeyRotationStatus", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [account, deny]})
        kms_at(local, HOME).put_key_policy(KeyId=arn, PolicyName="default", Policy=policy)
        line = one_line(create(name, "--yes"), 1)
        for part in (HOME, "AccessDenied", "GetKeyRotationStatus"):
            assert part in line
