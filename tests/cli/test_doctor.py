"""`fieldcrypt doctor`, with a real key store and regions over HTTP."""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from typer.testing import Result

from fieldcrypt import Encryptor, FileKeyStore, Purpose, Tombstone, backend
from fieldcrypt.cli import output
from fieldcrypt.cli.doctor import Verdict
from fieldcrypt.cli.doctor.kms import examine_region
from fieldcrypt.format._text import duration_text
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.testing import LocalAws
from tests.cli.application import AWS, LOCAL, SSN, corrupt
from tests.support.commands import Run, complaint, stdout
from tests.support.outages import lost

HOME, AWAY = "us-east-1", "eu-west-1"


WHO_MAY = {"who may wrap", "who may unwrap", "who may let others in"}  # which moto's key policy leaves to the account


class TestDoctor:
    @pytest.fixture
    def vault(self, run: Run, aws: LocalAws, tmp_path: Path) -> Callable[[str, list[str]], None]:
        """Writes the module of a user with KMS keys, and encrypts something with it."""

        def vault(arn: str, regions: list[str]) -> None:
            endpoints = {region: aws.endpoint(region) for region in (HOME, AWAY)}
            FileKeyStore.create(tmp_path / "keys.sqlite")
            (tmp_path / "vault.py").write_text(AWS.format(arn=arn, regions=regions, endpoints=endpoints))
            (tmp_path / "pyproject.toml").write_text('[tool.fieldcrypt]\nencryptor = "vault:encryptor"\n')
            sys.path.insert(0, str(tmp_path))
            sys.modules.pop("vault", None)
            module = importlib.import_module("vault")
            for tenant in ("a", "b"):
                module.ssn.encrypt(SSN, tenant=tenant)

        return vault

    @pytest.fixture
    def key(self, aws: LocalAws) -> str:
        """The ARN of a multi-Region key that rotates."""
        arn = aws.create_key()
        aws.kms(HOME).enable_key_rotation(KeyId=arn.rpartition("/")[2])
        return arn

    def failed(self, result: Result) -> dict[tuple[str, str], str]:
        """What is wrong, and why."""
        findings = json.loads(stdout(result, 1))["findings"]
        wrong = [finding for finding in findings if finding["verdict"] == "failed"]
        assert all(finding["advice"] for finding in wrong)
        return {(finding["place"], finding["check"]): finding["detail"] for finding in wrong}

    def test_a_healthy_set_up(self, run: Run, vault: Any, key: str) -> None:
        """Exit code 0, and in each region everything was looked at."""
        vault(key, [HOME, AWAY])
        findings = json.loads(stdout(run("doctor", "--json")))["findings"]
        for region in (HOME, AWAY):
            checks = {finding["check"] for finding in findings if finding["place"] == region}
            assert checks == {
                *("reachable", "key exists", "key enabled", "multi-Region key", "rotation"),
                *("wrap", "unwrap", "data keys open"),
                *WHO_MAY,
            }
        assert {finding["check"] for finding in findings if finding["verdict"] != "ok"} == WHO_MAY
        assert [finding["detail"] for finding in findings if finding["check"] == "backend"] == [backend()]
        assert "Nothing is wrong, as far as can be told from here." in stdout(run("doctor"))

    def test_a_key_can_be_copied_from_a_narrow_terminal(
        self, run: Run, vault: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its ARN is in one piece, though no table has room for it."""
        vault(key, [HOME, AWAY])
        monkeypatch.setattr(output, "_WIDTH", 80)
        assert f"  check key exists; ok\n  {key}\n" in stdout(run("doctor"))

    def test_a_principal_that_only_wraps(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """A warning, which fails with `--strict`, in the region whose policy has it."""
        vault(key, [HOME, AWAY])
        loader = "arn:aws:iam::123456789012:role/loader"
        policy = {
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": loader}, "Action": "kms:Encrypt", "Resource": "*"}]
        }
        aws.kms(AWAY).put_key_policy(KeyId=key.rpartition("/")[2], PolicyName="default", Policy=json.dumps(policy))
        told = json.loads(stdout(run("doctor", "--json")))
        assert told["ok"]
        (warned,) = (finding for finding in told["findings"] if finding["verdict"] == "warning")
        assert (warned["place"], warned["check"]) == (AWAY, "who may wrap")
        assert loader in warned["detail"]
        assert not json.loads(stdout(run("doctor", "--strict", "--json"), 1))["ok"]

    def test_a_disabled_replica(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """Named with its region, and only there."""
        vault(key, [HOME, AWAY])
        aws.kms(AWAY).disable_key(KeyId=key.rpartition("/")[2])
        wrong = self.failed(run("doctor", "--json"))
        assert {place for place, _ in wrong} == {AWAY}
        assert "Disabled" in wrong[AWAY, "key enabled"]
        assert "aws kms enable-key" in stdout(run("doctor"), 1)

    def test_a_missing_replica(self, run: Run, vault: Any, aws: LocalAws) -> None:
        """The region is configured, but the key was never replicated there."""
        metadata = aws.kms(HOME).create_key(MultiRegion=True)["KeyMetadata"]
        aws.kms(HOME).enable_key_rotation(KeyId=metadata["KeyId"])
        vault(metadata["Arn"], [HOME, AWAY])
        wrong = self.failed(run("doctor", "--json"))
        assert {place for place, _ in wrong} == {AWAY}
        assert "does not exist" in wrong[AWAY, "key exists"]

    def test_a_single_region_key(self, run: Run, vault: Any, aws: LocalAws) -> None:
        """Nobody outside its region can read."""
        arn = aws.create_key(multi_region=False)
        aws.kms(HOME).enable_key_rotation(KeyId=arn.rpartition("/")[2])
        vault(arn, [HOME])
        assert "single-Region key" in self.failed(run("doctor", "--json"))[HOME, "multi-Region key"]

    def test_an_alias_that_points_elsewhere(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """Aliases are set in each region by itself, and one was forgotten."""
        name = f"alias/of-{key.rpartition('-')[2][:8]}"
        for region, arn in ((HOME, key), (AWAY, aws.create_key())):
            aws.kms(region).create_alias(AliasName=name, TargetKeyId=arn.rpartition("/")[2])
        vault(f"{key.rpartition(':')[0]}:{name}", [HOME, AWAY])
        assert "to another key in the first region" in self.failed(run("doctor", "--json"))[AWAY, "same key"]

    def test_an_rsa_key(self, run: Run, tmp_path: Path, aws: LocalAws) -> None:
        """Nothing rotates by itself, and there is nothing to complain of."""
        kms = aws.kms(HOME)
        metadata = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT", MultiRegion=True)["KeyMetadata"]
        kms.replicate_key(KeyId=metadata["KeyId"], ReplicaRegion=AWAY)
        endpoints = {region: aws.endpoint(region) for region in (HOME, AWAY)}
        module = AWS.replace("AwsKmsKeyProvider", "AwsKmsRsaKeyProvider")
        module = module.format(arn=metadata["Arn"], regions=[HOME, AWAY], endpoints=endpoints)
        FileKeyStore.create(tmp_path / "keys.sqlite")
        (tmp_path / "vault.py").write_text(module + "ssn.encrypt('078-05-1120')\n")
        stdout(run("doctor", "--encryptor", "vault:encryptor"))

    def test_a_removed_permission(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """A replica has a key policy of its own, which may deny what the primary's allows."""
        vault(key, [HOME, AWAY])
        policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}]}
        key_id = key.rpartition("/")[2]
        aws.kms(AWAY).put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(policy))
        wrong = self.failed(run("doctor", "--json"))
        assert set(wrong) == {(AWAY, "unwrap"), (AWAY, "data keys open")}
        assert "AccessDenied" in wrong[AWAY, "unwrap"]

    def test_a_corrupted_record(self, run: Run, vault: Any, key: str) -> None:
        """The data key is named; the other one is fine."""
        vault(key, [HOME, AWAY])
        record = sys.modules["vault"].encryptor.store.list("a")[0]
        wrap = record.wraps[0]._replace(data=record.wraps[0].data[:-1] + bytes([record.wraps[0].data[-1] ^ 1]))
        corrupt(record.key_id, record._replace(wraps=(wrap,)).to_bytes())
        wrong = self.failed(run("doctor", "--json"))
        assert set(wrong) == {(HOME, "data keys open"), (AWAY, "data keys open")}
        assert all(record.key_id.hex() in detail for detail in wrong.values())

    def test_an_unreadable_record(self, run: Run, vault: Any, key: str) -> None:
        """What is no record at all is said of the key store."""
        vault(key, [HOME, AWAY])
        key_id = sys.modules["vault"].encryptor.store.list("a")[0].key_id
        corrupt(key_id, b"nonsense")
        assert key_id.hex() in self.failed(run("doctor", "--json"))["key store", "data keys open"]

    def test_a_lost_region(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """It cannot be reached; that is the cause, and no data key is blamed."""
        vault(key, [HOME, AWAY])
        with lost(aws, AWAY):
            wrong = self.failed(run("doctor", "--json"))
        assert {place for place, _ in wrong} == {AWAY}
        assert "cannot be reached" in wrong[AWAY, "reachable"]

    def test_rotation_that_is_off(self, run: Run, vault: Any, aws: LocalAws) -> None:
        """A warning, for so KMS makes its keys; whoever wants it on says `--strict`."""
        vault(aws.create_key(), [HOME, AWAY])
        told = json.loads(stdout(run("doctor", "--json")))
        assert told["ok"]
        warnings = [finding for finding in told["findings"] if finding["verdict"] not in ("ok", "unknown")]
        assert [(each["place"], each["check"], each["verdict"]) for each in warnings] == [
            (region, "rotation", "warning") for region in (HOME, AWAY)
        ]
        assert not json.loads(stdout(run("doctor", "--strict", "--json"), 1))["ok"]
        for_people = stdout(run("doctor"))
        assert "Nothing fails, as far as can be told from here; 2 warnings." in for_people
        assert "aws kms enable-key-rotation" in for_people

    @pytest.mark.parametrize(
        ("metadata", "warned"),
        [
            ({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": "cks-1234567890abcdef0"}, False),
            ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1234567890abcdef0"}, False),
            ({"Origin": "EXTERNAL"}, False),
            ({"Origin": "EXTERNAL", "ValidTo": datetime.now(UTC) + timedelta(days=31)}, False),
            ({"Origin": "EXTERNAL", "ValidTo": datetime.now(UTC) + timedelta(days=29)}, True),
        ],
    )
    def test_keys_whose_material_is_not_made_by_kms(self, metadata: dict[str, Any], warned: bool) -> None:
        """KMS cannot rotate them, and is not asked; imported material may end, and that is said a month ahead."""
        arn = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
        client = boto3.client("kms", region_name=HOME)
        described = {"KeyId": arn.rpartition("/")[2], "Arn": arn, "KeyState": "Enabled", "MultiRegion": True}
        with Stubber(client) as stub:
            stub.add_response("describe_key", {"KeyMetadata": described | metadata})
            stub.add_client_error("get_key_policy", "AccessDeniedException")
            provider = AwsKmsKeyProvider(arn, [HOME], client_factory=lambda region: client)
            findings = list(examine_region(provider, HOME, [arn]))
        assert [f.check for f in findings if f.verdict is Verdict.WARNING] == (["key material"] if warned else [])

    def test_a_shredded_tenant_with_a_key(self, run: Run, application: Any) -> None:
        """Some process was making one while the tenant was shredded."""
        stdout(run("keys", "shred", "--tenant", "a", "--by", "ann", "--yes"))
        late = Encryptor(application.old, FileKeyStore.create("late.sqlite"))
        late.field("a.b", str).encrypt(SSN, tenant="a")
        application.encryptor.store.add(*late.store.list("a"))  # type: ignore[union-attr]
        told = self.failed(run("doctor", "--json"))["key store", "shredded tenants"]
        assert "tenant 'a' has 1 data key next to tombstones" in told
        assert "by 'ann' (1 tombstone: " in told
        assert "living data keys from before: 0 of 1" in told

    @pytest.mark.parametrize(
        ("tenant", "created", "shredded", "keys"),
        [
            (None, 1, 1_700_000_000, 1),
            ("c", 1, 4_000_000_000, 1),
            ("c", 1_700_100_000, 1_700_000_000, 1),
            ("c", 1, 1_700_000_000, 2),
        ],
    )
    def test_a_tombstone_that_no_shredding_makes(
        self, run: Run, application: Any, tenant: str | None, created: int, shredded: int, keys: int
    ) -> None:
        """Of no tenant's key, in the future, before the key was made, or of keys that left no tombstone."""
        stone = Tombstone(os.urandom(16), Purpose.ENCRYPTION, created, tenant, shredded, "x", keys)
        application.encryptor.store.add(stone)
        assert stone.key_id.hex() in self.failed(run("doctor", "--json"))["key store", "shredded tenants"]

    def test_tombstones_of_a_shredding_are_no_trouble(self, run: Run, application: Any) -> None:
        """Nor of one that was begun again after a key had been added."""
        stdout(run("keys", "shred", "--tenant", "a", "--by", "ann", "--yes"))
        late = Encryptor(application.old, FileKeyStore.create("late.sqlite"))
        late.field("a.b", str).encrypt(SSN, tenant="a")
        application.encryptor.store.add(*late.store.list("a"))  # type: ignore[union-attr]
        told = stdout(run("keys", "shred", "--tenant", "a", "--by", "bob", "--yes"))
        assert "within 15 minutes; from one that cannot reach the key store within 1 hour more" in told
        assert "1 data key, and 2 shredded" in stdout(run("doctor"))

    def test_a_forged_tombstone_destroys_nothing(self, run: Run, application: Any) -> None:
        """It needs no key to write. What it claims is told, with what speaks against it, and no command is advised."""
        evil = "x; rm -rf ~"
        application.ssn.encrypt(SSN, tenant=evil)
        for number in range(5):
            stone = Tombstone(os.urandom(16), Purpose.ENCRYPTION, 1, evil, 2_000_000_000 + number, "nobody", 4)
            application.encryptor.store.add(stone)
        findings = json.loads(stdout(run("doctor", "--json"), 1))["findings"]
        (found,) = (finding for finding in findings if finding["check"] == "shredded tenants")
        assert "claim: 4 keys shredded on 2033-05-18T03:33:20Z by 'nobody' (1 tombstone: " in found["detail"]
        assert "living data keys from before: 1 of 1" in found["detail"]
        assert found["detail"].endswith("; 2 more of the kind")
        assert "the tombstone is forged" in found["advice"]
        assert evil not in found["advice"]
        assert "fieldcrypt keys" not in found["advice"]

    def test_no_advice_destroys_anything(self) -> None:
        """Whatever is wrong may be wrong because somebody wants it repaired like that."""
        sources = "".join(path.read_text() for path in Path(examine_region.__code__.co_filename).parent.glob("*.py"))
        assert not re.findall(r"keys (?:shred|retire)|schedule-key-deletion|disable-key\b|delete-[a-z]+", sources)

    def test_a_role_for_one_tenant(self, run: Run, vault: Any, key: str) -> None:
        """It looks at that tenant's data keys alone."""
        vault(key, [HOME, AWAY])
        findings = json.loads(stdout(run("doctor", "--tenant", "a", "--json")))["findings"]
        opened = {finding["detail"] for finding in findings if finding["check"] == "data keys open"}
        assert opened == {"all 1 of tenant 'a'"}

    def test_a_tenant_without_data_keys(self, run: Run, vault: Any, key: str) -> None:
        """Its name may be misspelt, so that none of its data keys opens is not said to be well."""
        vault(key, [HOME, AWAY])
        findings = json.loads(stdout(run("doctor", "--tenant", "typo", "--json")))["findings"]
        opened = {(f["verdict"], f["detail"]) for f in findings if f["check"] == "data keys open"}
        assert opened == {("unknown", "there is none of tenant 'typo': is that its name?")}

    def test_an_empty_key_store(self, run: Run, application: Any, tmp_path: Path) -> None:
        """It may be the wrong one."""
        (tmp_path / "elsewhere.py").write_text(LOCAL.replace("keys.sqlite", "empty.sqlite"))
        FileKeyStore.create(tmp_path / "empty.sqlite")
        assert "is this the right key store?" in stdout(run("doctor", "--encryptor", "elsewhere:encryptor"))

    def test_a_key_store_in_a_directory_that_is_not_there(self, run: Run, application: Any, tmp_path: Path) -> None:
        """Nor is a wrong path an empty key store."""
        (tmp_path / "elsewhere.py").write_text(LOCAL.replace("keys.sqlite", "nowhere/keys.sqlite"))
        assert "there is no such file" in complaint(run("keys", "list", "--encryptor", "elsewhere:encryptor"), 1)

    def test_the_keys_of_another_environment(self, run: Run, application: Any) -> None:
        """No command helps if no place opens a data key: what is configured is to be looked at."""
        findings = json.loads(stdout(run("doctor", "--json", "--encryptor", "application:moved"), 1))["findings"]
        (found,) = (finding for finding in findings if finding["verdict"] == "failed")
        assert "if another place opens them" in found["advice"]
        assert "the configuration of another environment" in found["advice"]
        remarks = stdout(run("keys", "list", "--encryptor", "application:moved"))
        assert "instead" in remarks
        assert "also under" not in remarks

    def test_a_move_under_way(self, run: Run, application: Any) -> None:
        """While a chain is configured, data keys open by the old or by the new provider."""
        application.encryptor.data_keys.rewrap(application.new)
        application.ssn.encrypt(SSN, tenant="c")
        stdout(run("doctor"))

    def test_a_role_that_only_reads(self, run: Run, vault: Any, key: str, aws: LocalAws) -> None:
        """It need not be allowed to wrap, if one says so."""
        vault(key, [HOME, AWAY])
        policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}]}
        for region in (HOME, AWAY):
            aws.kms(region).put_key_policy(
                KeyId=key.rpartition("/")[2], PolicyName="default", Policy=json.dumps(policy)
            )
        assert set(self.failed(run("doctor", "--json"))) == {(HOME, "wrap"), (AWAY, "wrap")}
        stdout(run("doctor", "--reads-only"))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (900, "15 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (86_400 * 90, "90 days"),
        (1.5, "1.5 seconds"),
    ],
)
def test_times_are_said_in_words(seconds: float, said: str) -> None:
    """In the largest unit that leaves nothing over."""
    assert duration_text(timedelta(seconds=seconds)) == said
