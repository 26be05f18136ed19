"""Settings: an Encryptor from environment variables, from pydantic-settings, from URLs."""

from __future__ import annotations

import base64
import inspect
import os
import pickle
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fieldcrypt import (
    ConfigurationError,
    DecryptionError,
    Encryptor,
    FileKeyStore,
    KeyPolicy,
    KeyStoreChain,
    LocalKeyProvider,
    MemoryKeyStore,
)
from fieldcrypt.keys.aws_kms import AwsKmsKeyProvider
from fieldcrypt.settings import Settings
from fieldcrypt_dynamodb import DynamoKeyStore
from fieldcrypt_sqlalchemy import SqlKeyStore

ARN = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"
OTHER = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PASSWORD = "hunter:2%40x"


@pytest.fixture(autouse=True)
def local_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of a local key in the working directory, and an environment without fieldcrypt."""
    monkeypatch.chdir(tmp_path)
    Path("local.key").write_bytes(base64.b64encode(os.urandom(32)))
    for variable in [name for name in os.environ if name.startswith("FIELDCRYPT_")]:
        monkeypatch.delenv(variable)


def configured(provider: str = "local:local.key", store: str | None = "memory:") -> Encryptor:
    """An Encryptor with these settings."""
    encryptor = Encryptor()
    Settings(provider, store).configure(encryptor)
    return encryptor


def refusal(provider: str = "local:local.key", store: str | None = "memory:") -> str:
    """What is said of these settings."""
    with pytest.raises(ConfigurationError) as caught:
        configured(provider, store)
    return str(caught.value)


class TestEnvironment:
    def test_two_variables_are_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A value goes there and back under what they name."""
        monkeypatch.setenv("FIELDCRYPT_PROVIDER", "local:local.key")
        monkeypatch.setenv("FIELDCRYPT_STORE", "file:keys.sqlite")
        FileKeyStore.create("keys.sqlite")
        encryptor = Encryptor()
        ssn = encryptor.field("patients.ssn", str)
        Settings.from_environment().configure(encryptor)
        assert ssn.decrypt(ssn.encrypt("078-05-1120")) == "078-05-1120"
        assert isinstance(encryptor.store, FileKeyStore)

    def test_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those that are set are in the policy, the others are its defaults."""
        for name, text in {
            "PROVIDER": "local:local.key",
            "CACHE_TTL": "PT5M",
            "ROTATE_AFTER": "P30D",
            "REPLICATION_WAIT": "PT1.5S",
            "NOT_BEFORE": "2026-11-29T14:00:00Z",
            "OWN_KEYS_ONLY": "true",
        }.items():
            monkeypatch.setenv(f"CLINIC_KEYS_{name}", text)
        policy = Settings.from_environment("CLINIC_KEYS_").policy
        assert policy.cache_ttl == timedelta(minutes=5)
        assert policy.rotate_after == timedelta(days=30)
        assert policy.replication_wait == timedelta(seconds=1.5)
        assert policy.not_before == datetime(2026, 11, 29, 14, tzinfo=UTC)
        assert policy.own_keys_only
        assert policy.grace == timedelta(hours=1)

    @pytest.mark.parametrize("text", ["true", "false", None])
    def test_what_else_an_encryptor_reads(self, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
        """Values that carry their data keys, if that is said; by default only without a key store."""
        data = Encryptor(LocalKeyProvider.from_file("local.key")).field("a.b", str).encrypt("x")
        monkeypatch.setenv("FIELDCRYPT_PROVIDER", "local:local.key")
        monkeypatch.setenv("FIELDCRYPT_STORE", "memory:")
        if text is not None:
            monkeypatch.setenv("FIELDCRYPT_READ_SELF_CONTAINED", text)
        encryptor = Encryptor()
        Settings.from_environment().configure(encryptor)
        with nullcontext() if text == "true" else pytest.raises(DecryptionError, match="read_self_contained"):
            assert encryptor.field("a.b", str).decrypt(data) == "x"

    @pytest.mark.parametrize("limit", inspect.signature(KeyPolicy).parameters)
    def test_no_limit_is_passed_over(self, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
        """One that cannot be set so is refused, for the process would run without it."""
        monkeypatch.setenv("FIELDCRYPT_PROVIDER", "local:local.key")
        monkeypatch.setenv(f"FIELDCRYPT_{limit.upper()}", "?")
        with pytest.raises(ConfigurationError, match=f"^FIELDCRYPT_{limit.upper()}"):
            Settings.from_environment()

    @pytest.mark.parametrize(
        ("variable", "text", "said"),
        [
            ("FIELDCRYPT_PROVIDER", "", "is empty: give it a value"),
            ("FIELDCRYPT_PROVIDER", "local.key", "local: for a key provider"),
            ("FIELDCRYPT_PROVIDER", "local:missing.key", "local:…?create=true"),
            ("FIELDCRYPT_STORE", "sqlite:///keys.sqlite", "a URL of SQLAlchemy comes after sql:"),
            ("FIELDCRYPT_PROVIDER", ARN, "has the scheme arn:"),
            ("FIELDCRYPT_STORE", "/var/keys.sqlite", "a scheme"),
            ("FIELDCRYPT_CACHE_TTL", "900", "PT15M"),
            ("FIELDCRYPT_CACHE_TTL", "PT", "PT15M"),
            ("FIELDCRYPT_NOT_BEFORE", "yesterday", "2026-11-29T14:00:00Z"),
            ("FIELDCRYPT_NOT_BEFORE", "2026-11-29", "offset"),
            ("FIELDCRYPT_OWN_KEYS_ONLY", "yes", "true or false"),
            ("FIELDCRYPT_CACHE_TLL", "PT5M", "FIELDCRYPT_CACHE_TTL"),
            ("FIELDCRYPT_STORE", "redis://keys", "no installed package has the scheme redis:"),
            ("FIELDCRYPT_PROVIDER", f"awskms:{ARN}?regoins=eu-west-1", "'regoins'"),
        ],
    )
    def test_an_error_names_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, text: str, said: str
    ) -> None:
        """Whether it is malformed, or what it names is refused."""
        monkeypatch.setenv("FIELDCRYPT_PROVIDER", "local:local.key")
        monkeypatch.setenv("FIELDCRYPT_STORE", "memory:")
        monkeypatch.setenv(variable, text)
        with pytest.raises(ConfigurationError) as caught:
            Settings.from_environment().configure(Encryptor())
        assert said in str(caught.value)
        assert variable in str(caught.value) or "FIELDCRYPT_…" in str(caught.value)

    def test_a_misspelt_setting_is_noticed_under_any_prefix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A limit of the second Encryptor would not be in force either."""
        monkeypatch.setenv("SHOP_CRYPTO_PROVIDER", "local:local.key")
        monkeypatch.setenv("SHOP_CRYPTO_CACHE_TLL", "PT5M")
        with pytest.raises(ConfigurationError, match="SHOP_CRYPTO_CACHE_TTL is the one"):
            Settings.from_environment("SHOP_CRYPTO_")

    def test_no_provider(self) -> None:
        """The variable that is missing is named."""
        with pytest.raises(ConfigurationError, match=r"FIELDCRYPT_PROVIDER is not set.*create=true"):
            Settings.from_environment()

    def test_variables_of_others_are_let_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Kubernetes has some for each service, and other parts of fieldcrypt have their own."""
        monkeypatch.setenv("FIELDCRYPT_PROVIDER", "local:local.key")
        for name in ("FIELDCRYPT_PORT", "FIELDCRYPT_SERVICE_HOST", "FIELDCRYPT_BACKEND", "FIELDCRYPT_ENCRYPTOR"):
            monkeypatch.setenv(name, "x")
        assert Settings.from_environment().provider == "local:local.key"


class TestPydantic:
    """A field of a class of pydantic-settings, nested as a dataclass."""

    class Shop(BaseSettings):
        model_config = SettingsConfigDict(
            env_prefix="SHOP_", env_nested_delimiter="__", hide_input_in_errors=True, frozen=True
        )
        fieldcrypt: Settings

    def test_it_is_a_field(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With limits as pydantic reads durations, which is how the environment writes them."""
        monkeypatch.setenv("SHOP_FIELDCRYPT__PROVIDER", "local:local.key")
        monkeypatch.setenv("SHOP_FIELDCRYPT__STORE", "memory:")
        monkeypatch.setenv("SHOP_FIELDCRYPT__CACHE_TTL", "PT5M")
        encryptor = Encryptor()
        self.Shop().fieldcrypt.configure(encryptor)  # type: ignore[call-arg]
        assert encryptor.policy.cache_ttl == timedelta(minutes=5)
        assert encryptor.field("a.b", str).encrypt("x")

    def test_no_error_shows_a_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither does the repr of the settings."""
        monkeypatch.setenv("SHOP_FIELDCRYPT__PROVIDER", "local:local.key")
        monkeypatch.setenv("SHOP_FIELDCRYPT__STORE", f"sql:postgresql+psycopg://shop:{PASSWORD}@db/shop")
        assert PASSWORD not in repr(self.Shop())  # type: ignore[call-arg]
        monkeypatch.setenv("SHOP_FIELDCRYPT__CACHE_TTL", "soon")
        with pytest.raises(ValidationError) as caught:
            self.Shop()  # type: ignore[call-arg]
        assert PASSWORD not in str(caught.value)


class TestProviders:
    def test_kms(self) -> None:
        """Every parameter is the argument of its name."""
        url = (
            f"awskms:{ARN}?regions=eu-west-1,us-east-1&timeout=PT1S&deadline=PT4S&cooldown=PT1M&grace=PT0S"
            "&failover_on_denied=true&endpoint.eu-west-1=https://kms-fips.eu-west-1.example.com"
        )
        assert configured(url).provider == AwsKmsKeyProvider(
            [ARN],
            ["eu-west-1", "us-east-1"],
            timeout=timedelta(seconds=1),
            deadline=timedelta(seconds=4),
            cooldown=timedelta(minutes=1),
            grace=timedelta(0),
            failover_on_denied=True,
            endpoint_urls={"eu-west-1": "https://kms-fips.eu-west-1.example.com"},
        )

    def test_several_kms_keys(self) -> None:
        """With commas between them, and how many are required."""
        assert configured(f"awskms:{ARN},{OTHER}?require=1").provider == AwsKmsKeyProvider([ARN, OTHER], require=1)

    def test_what_boto3_is_told_of_fips_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """AWS's own variable chooses FIPS endpoints for KMS, so that no parameter has to."""
        monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
        provider = configured(f"awskms:{ARN}?regions=us-east-1").provider
        assert isinstance(provider, AwsKmsKeyProvider)
        (arn,) = provider.keys_at("us-east-1")
        assert provider.client(arn).meta.endpoint_url == "https://kms-fips.us-east-1.amazonaws.com"

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            ("awskms:", "the ARN of a KMS key"),
            (f"awskms:{ARN}?regions=", "'regions'"),
            (f"awskms:{ARN}?regions=us-east-1&regions=eu-west-1", "twice"),
            (f"awskms:{ARN}?regions=moon-1", "moon-1"),
            (f"awskms:{ARN}?require=some", "require"),
            (f"awskms:{ARN}?timeout=2", "'timeout'"),
            (f"awskms:{ARN}?failover_on_denied=yes", "'failover_on_denied'"),
            (f"awskms:{ARN}?fips", "malformed"),
            (f"awskms:{ARN}?endpoint.us-east-1=http://kms.example.com", "TLS"),
            ("local:", "the path of a file"),
            ("local://local.key", "the path of a file"),
            ("local:absent.key", "absent.key"),
            ("local:local.key?key=x", "'key'"),
            ("memory:", "no installed package has the scheme memory: of fieldcrypt.key_providers"),
        ],
    )
    def test_what_is_refused(self, url: str, said: str) -> None:
        """In words that say what to write, and the setting that it is about."""
        text = refusal(provider=url)
        assert said in text
        assert text.startswith("provider")

    def test_a_path_of_three_slashes(self, tmp_path: Path) -> None:
        """Is the same as one of one slash."""
        assert configured(f"local://{tmp_path}/local.key").provider == configured("local:local.key").provider

    def test_the_file_of_a_local_key_is_made_if_that_is_said(self, tmp_path: Path) -> None:
        """And is the same at the next start."""
        first = configured("local:new.key?create=true").provider
        assert configured("local:new.key").provider == first


class TestStores:
    def test_dynamodb(self) -> None:
        """One table; or that of the first region, with those of the others behind it."""
        store = configured(store="dynamodb:data-keys?regions=eu-west-1,us-east-1").store
        assert isinstance(store, KeyStoreChain)
        assert [repr(each) for each in store.stores] == [
            repr(DynamoKeyStore("data-keys", region=region)) for region in ("eu-west-1", "us-east-1")
        ]
        assert isinstance(configured(store="dynamodb:data-keys").store, DynamoKeyStore)

    def test_sql(self, tmp_path: Path) -> None:
        """An engine of its own over SQLAlchemy's URL, also for a driver of asyncio."""
        for scheme in ("sqlite", "sqlite+aiosqlite"):
            encryptor = configured(store=f"sql:{scheme}:///{tmp_path}/keys.db")
            store = encryptor.store
            assert isinstance(store, SqlKeyStore)
            store.create_table()
            assert encryptor.field("a.b", str).encrypt("x")
            store.close()

    @pytest.mark.parametrize(
        "rest",
        [
            f"postgresql+psycopg://shop:p@{PASSWORD}@db/shop",  # whose end is taken for a port
            f"nonsense {PASSWORD}",
            f"postgresql+nodriver://shop:{PASSWORD}@db/shop",
            f"nodialect://shop:{PASSWORD}@db/shop",
            f"oracle+cx_oracle://shop:{PASSWORD}@db/shop",  # which is not installed
        ],
    )
    def test_no_refusal_shows_a_password(self, rest: str) -> None:
        """Nor a part of one, which SQLAlchemy quotes where it takes it for something else."""
        with pytest.raises(ConfigurationError) as caught:
            configured(store=f"sql:{rest}")
        assert caught.value.__suppress_context__
        said = str(caught.value)
        for part in ("hunter", "2%40x", "2@x"):
            assert part not in said

    def test_no_frame_of_a_refusal_holds_a_password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Trackers of errors send the locals of each."""
        monkeypatch.setenv("FIELDCRYPT_PROVIDER", "local:local.key")
        monkeypatch.setenv("FIELDCRYPT_STORE", f"sql:nodialect://shop:{PASSWORD}@db/shop")
        settings = Settings.from_environment()
        monkeypatch.setenv("FIELDCRYPT_STORE", f"//{PASSWORD}")  # which is no URL
        for refused in (Settings.from_environment, lambda: settings.configure(Encryptor())):
            with pytest.raises(ConfigurationError) as caught:
                refused()
            frames = [entry.frame.f_locals for entry in caught.traceback[1:]]
            assert frames
            assert "hunter" not in repr(frames)

    def test_no_repr_shows_a_password(self) -> None:
        """Neither the store's, wherever in the URL it is, nor one of settings that are refused."""
        store = configured(store=f"sql:postgresql+psycopg://shop:{PASSWORD}@db/shop?password={PASSWORD}").store
        assert repr(store) == "SqlKeyStore('postgresql+psycopg://shop:***@db/shop', 'fieldcrypt_data_keys')"
        refused = object.__new__(Settings)
        for name in Settings.__dataclass_fields__:
            object.__setattr__(refused, name, None)
        object.__setattr__(refused, "provider", f"//{PASSWORD}")
        assert repr(refused) == "Settings(provider=…)"

    @pytest.mark.parametrize(
        "store", ["memory:x", "memory:?a=b", "dynamodb:", "dynamodb:t?regions=,us-east-1", "file:"]
    )
    def test_what_is_refused(self, store: str) -> None:
        """And the setting is named."""
        assert refusal(store=store).startswith("store (")

    def test_without_a_store_nothing_is_guessed(self) -> None:
        """A variable that was forgotten must not change the form of all new values."""
        assert "there is no key store" in refusal(store=None)
        assert configured(store="none:").store is None

    def test_the_application_s_own_store(self) -> None:
        """Instead of a setting; with one, it is not clear which is meant."""
        encryptor, store = Encryptor(), MemoryKeyStore()
        Settings("local:local.key").configure(encryptor, store=store)
        assert encryptor.store is store
        with pytest.raises(ConfigurationError, match="two key stores"):
            Settings("local:local.key", "memory:").configure(encryptor, store=store)


class TestPackagesOfOthers:
    @pytest.fixture
    def vault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A package that is installed, and has schemes of its own."""
        (tmp_path / "vaultkeys.py").write_text(
            "from fieldcrypt.spi import ServiceUrl\n"
            "def provider(url):\n"
            "    named = ServiceUrl.parse(url)\n"
            "    named.text('mount')\n"
            "    named.finish()\n"
            "    raise ValueError(f'{url} does not answer')\n"
            "def nothing(url):\n"
            "    return None\n"
        )
        info = tmp_path / "vaultkeys-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vaultkeys\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[fieldcrypt.key_providers]\nvault = vaultkeys:provider\nlocal = vaultkeys:provider\n"
            "lost = nothing_here:f\nold = vaultkeys:gone\n"
            "[fieldcrypt.key_stores]\nvault = vaultkeys:nothing\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    def test_its_scheme_is_found(self, vault: Path) -> None:
        """Its refusals are those of settings, without the password that it was called with."""
        said = refusal("vault://app:s3cret@vault.example.com?mount=x")
        assert said.startswith("provider (vault:): vault://app:…@vault.example.com")

    @pytest.mark.parametrize(
        "url",
        ["vault://app:s3:cret@h", "vault:app:s3:cret@h", "vault:x?Password=s3:cret&mount=y", "vault:?token=s3%3Acret"],
    )
    def test_wherever_the_password_is(self, vault: Path, url: str) -> None:
        """What a package of others says may have all of the URL in it."""
        said = refusal(url)
        assert "s3" not in said
        assert "cret" not in said

    def test_a_key_store_that_is_none_is_refused(self, vault: Path) -> None:
        """Without one values would carry their data keys, which nobody has asked for."""
        assert "vaultkeys:nothing returned None" in refusal(f"awskms:{ARN}", "vault:x")

    def test_what_cannot_be_loaded_is_named(self, vault: Path) -> None:
        """A package that has changed since its metadata were written."""
        assert "the scheme old: cannot be loaded" in refusal("old:x")

    def test_it_cannot_take_over_a_scheme(self, vault: Path) -> None:
        """Which package makes the keys must not depend on the order of installation."""
        assert "more than one package has the scheme local:" in refusal()

    def test_a_package_that_is_missing_is_named(self, vault: Path) -> None:
        """As boto3 is, without the extra `aws`."""
        assert refusal("lost:x").endswith("needs a package that is not installed: nothing_here")


def test_settings_are_values() -> None:
    """They compare, pickle and print; what follows the scheme of a URL is not printed."""
    settings = Settings(f"awskms:{ARN}", f"sql:postgresql://shop:{PASSWORD}@db/shop", grace=timedelta(hours=2))
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert repr(settings) == f"Settings(provider=awskms:…, store=sql:…, grace={timedelta(hours=2)!r})"
