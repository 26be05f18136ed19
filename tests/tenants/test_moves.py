"""Tenants that come to a wrapping key of their own, and leave it again: rewrapping, moving, onboarding."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from fieldcrypt import (
    USE_DEFAULT,
    ConfigurationError,
    Encryptor,
    KeyProvider,
    KeyProviderChain,
    KeyRecord,
    Purpose,
    TenantKeyProvider,
    Tombstone,
)
from fieldcrypt.cli.commands import commands
from tests.conftest import Clock
from tests.support.doubles import CountingProvider, Crash, CrashingStore, Row, RowStore, outage, refusal

TENANTS = ("a", "b", "other", None)


class MovingStore(CrashingStore):
    """One that may end at an addition, too."""

    def add(self, record: KeyRecord | Tombstone) -> None:
        self._counted(lambda: super(MovingStore, self).add(record))


class Scene:
    def __init__(self, rows: RowStore) -> None:
        self.rows = rows
        self.default, self.a, self.b = CountingProvider(), CountingProvider(), CountingProvider()
        self.answers: dict[str, KeyProvider] = {"a": self.a, "b": self.b}

    def encryptor(self, rows: RowStore | None = None) -> Encryptor:
        return Encryptor(TenantKeyProvider(self.lookup, self.default), rows or self.rows)

    def lookup(self, tenant: str) -> Any:
        return self.answers.get(tenant, USE_DEFAULT)

    def fill(self) -> dict[str | None, bytes]:
        """Write a value for each tenant, with a data key and an index key."""
        encryptor = self.encryptor()
        for tenant in TENANTS:
            encryptor.blind_index("t.c").tag("x", tenant=tenant)
        return {tenant: encryptor.field("t.c", str).encrypt("x", tenant=tenant) for tenant in TENANTS}

    def under(self, tenant: str | None) -> dict[str, set[str]]:
        """The wrapping keys of each data key of a tenant."""
        names = {
            each.wrapping_keys()[0]: name for name, each in vars(self).items() if isinstance(each, CountingProvider)
        }
        return {
            record.key_id.hex(): {names.get(wrap.name, wrap.name) for wrap in record.wraps}
            for record in self.rows.list(tenant)
            if isinstance(record, KeyRecord)
        }

    def all_under(self, tenant: str | None, name: str) -> bool:
        return all(found == {name} for found in self.under(tenant).values())


@pytest.fixture
def scene(rows: RowStore) -> Scene:
    return Scene(rows)


@pytest.fixture
def coming(scene: Scene) -> Scene:
    """Tenant `a` has data keys under the default key, and is about to get one of its own."""
    del scene.answers["a"]
    scene.fill()
    scene.answers["a"] = KeyProviderChain(scene.a, scene.default)
    return scene


class TestRewrap:
    @pytest.mark.parametrize("repair", [False, True])
    def test_each_tenant_stays_where_it_is(self, scene: Scene, repair: bool) -> None:
        """Of all data keys none comes under another tenant's key, or the default's."""
        scene.fill()
        before = dict(scene.rows.rows)
        keys = scene.encryptor().data_keys
        report = keys.repair() if repair else keys.rewrap()
        assert (report.changed, report.unchanged, report.complete) == (0, 8, True)
        assert scene.rows.rows == before

    @pytest.mark.parametrize("failure", [outage, refusal])
    def test_a_key_that_does_not_work_is_its_tenants_affair(
        self, scene: Scene, failure: Callable[[], Exception]
    ) -> None:
        """The data keys of all others are rewrapped."""
        scene.fill()
        new = CountingProvider()
        scene.answers |= {
            name: KeyProviderChain(CountingProvider(), old) for name, old in (("a", scene.a), ("b", scene.b))
        }
        scene.a.unwrap_failure = failure
        moved = Encryptor(
            TenantKeyProvider(
                lambda tenant: scene.answers.get(tenant, USE_DEFAULT), KeyProviderChain(new, scene.default)
            ),
            scene.rows,
        )
        report = moved.data_keys.rewrap()
        assert (report.changed, len(report.failures), report.stopped) == (6, 2, None)
        assert {error.tenant for error in report.failures.values()} == {"a"}

    def test_one_tenants_data_keys(self, coming: Scene) -> None:
        """Nobody else's are touched."""
        report = coming.encryptor().data_keys.rewrap(tenant="a")
        assert (report.changed, report.unchanged) == (2, 0)
        assert coming.all_under("a", "a")
        assert coming.all_under("other", "default")

    def test_another_tenants_key_is_refused(self, scene: Scene) -> None:
        """As the target for one tenant, and any for all of them."""
        scene.fill()
        keys = scene.encryptor().data_keys
        for to, tenant in ((scene.b, "a"), (scene.default, "a"), (CountingProvider(), None)):
            with pytest.raises(ConfigurationError):
                keys.rewrap(to, tenant=tenant)
        assert scene.all_under("a", "a")

    def test_back_to_the_default_only_in_words(self, scene: Scene) -> None:
        """And then the lookup may say so."""
        values = scene.fill()
        del scene.answers["a"]
        assert len(scene.encryptor().data_keys.rewrap().failures) == 2  # it does not happen by itself
        scene.answers["a"] = scene.a
        assert scene.encryptor().data_keys.rewrap(tenant="a", to_default=True).complete
        assert scene.all_under("a", "default")
        del scene.answers["a"]
        field = scene.encryptor().field("t.c", str)
        assert field.decrypt(values["a"], tenant="a") == "x"
        assert field.decrypt(field.encrypt("y", tenant="a"), tenant="a") == "y"

    def test_to_the_default_names_a_tenant(self, scene: Scene) -> None:
        """Nothing takes all tenants from their keys at once."""
        scene.fill()
        with pytest.raises(ConfigurationError):
            scene.encryptor().data_keys.rewrap(to_default=True)
        with pytest.raises(ConfigurationError):
            Encryptor(scene.a, scene.rows).data_keys.rewrap(tenant="a", to_default=True)


class TestMove:
    def test_new_keys_follow_that_the_default_never_opened(self, coming: Scene) -> None:
        """One for values and one for tags; the old ones are rewrapped, and left to be retired."""
        old = set(coming.under("a"))
        done = coming.encryptor().data_keys.move("a")
        assert {record.purpose for record in done.made} == set(Purpose)
        assert {record.key_id.hex() for record in done.left} == old
        assert done.rewrapped.complete
        assert coming.all_under("a", "a")
        assert coming.all_under("other", "default")
        coming.answers["a"] = coming.a
        assert coming.encryptor().warm_up(["a"]) == 4

    def test_it_can_be_repeated(self, coming: Scene) -> None:
        """Nothing is made a second time; when the old keys are retired, nothing is left."""
        encryptor = coming.encryptor()
        first = encryptor.data_keys.move("a")
        kept = dict(coming.rows.rows)
        again = encryptor.data_keys.move("a")
        assert (again.made, again.rewrapped.changed, again.left) == ([], 0, first.left)
        assert coming.rows.rows == kept
        for record in first.left:
            coming.rows.retire(record.key_id)
        assert encryptor.data_keys.move("a").left == []

    @pytest.mark.parametrize("answered", [False, True])
    def test_it_can_be_killed_at_any_call_of_the_store(self, coming: Scene, answered: bool) -> None:
        """The next one goes on: two data keys follow the two, whenever the first was killed."""
        begun: Mapping[bytes, Row] = dict(coming.rows.rows)
        for calls in range(100):
            rows = MovingStore(begun, calls, answered=answered)
            try:
                coming.encryptor(rows).data_keys.move("a")
            except Crash:
                crashed = True
            else:
                crashed = False
            coming.rows.rows = dict(rows.rows)
            assert coming.encryptor().data_keys.move("a").rewrapped.complete
            assert coming.all_under("a", "a")
            assert len(coming.under("a")) == 4
            if not crashed:
                return
        raise AssertionError("there are more calls than that")

    def test_junk_does_not_stand_in_for_a_new_key(self, coming: Scene, clock: Clock) -> None:
        """A record that names the own key, and is not authentic, does not count as made."""
        encryptor = coming.encryptor()
        (record,) = [each for each in coming.rows.list("a") if each.purpose is Purpose.ENCRYPTION]
        assert isinstance(record, KeyRecord)
        wrap = record.wraps[0]._replace(name=coming.a.wrapping_keys()[0])
        coming.rows.add(record._replace(key_id=bytes(16), created=record.created + 60, wraps=(wrap,)))
        assert len(encryptor.data_keys.move("a").made) == 2

    def test_its_provider_has_to_read_what_there_is(self, coming: Scene) -> None:
        """Else processes that run with it could not, either."""
        coming.answers["a"] = coming.a
        with pytest.raises(ConfigurationError, match="KeyProviderChain"):
            coming.encryptor().data_keys.move("a")
        assert coming.all_under("a", "default")

    def test_a_tenant_of_the_default_has_nowhere_to_move(self, coming: Scene) -> None:
        """Nor has one whose key is another tenant's."""
        coming.answers["a"] = KeyProviderChain(coming.b, coming.default)
        with pytest.raises(ConfigurationError):
            coming.encryptor().data_keys.move("a")
        with pytest.raises(ConfigurationError, match="the lookup gives it the default"):
            coming.encryptor().data_keys.move("other")
        with pytest.raises(ConfigurationError, match="there is no TenantKeyProvider"):
            Encryptor(coming.default, coming.rows).data_keys.move("a")
        assert coming.all_under("a", "default")


class TestOnboarding:
    def test_a_key_is_tried_out(self, scene: Scene) -> None:
        """It wraps and unwraps once, and nothing is kept."""
        assert scene.encryptor().data_keys.check_tenant_key("a") == list(scene.a.wrapping_keys())
        assert (scene.a.wraps, scene.a.unwraps, scene.rows.rows) == (1, 1, {})

    def test_a_key_that_is_refused(self, scene: Scene) -> None:
        """As KMS said it."""
        scene.a.unwrap_failure = refusal
        with pytest.raises(Exception, match="disabled"):
            scene.encryptor().data_keys.check_tenant_key("a")

    @pytest.mark.parametrize("whose", ["b", "default", "other"])
    def test_somebody_elses_key(self, scene: Scene, whose: str) -> None:
        """By the data keys in the store, and by the provider of one who has none yet."""
        scene.fill()
        scene.answers["new"] = KeyProviderChain(scene.b if whose == "b" else scene.default, CountingProvider())
        if whose == "other":
            scene.answers["other"] = scene.answers["new"] = CountingProvider()
        with pytest.raises(ConfigurationError):
            scene.encryptor().data_keys.check_tenant_key("new", ["other"])

    def test_the_default_key_by_another_provider(self, scene: Scene) -> None:
        """Before there is any data key that would tell."""
        same = CountingProvider()
        same.inner = scene.default.inner
        scene.answers["new"] = same
        with pytest.raises(ConfigurationError, match="the default"):
            scene.encryptor().data_keys.check_tenant_key("new")


class TestCommands:
    @pytest.fixture
    def run(self, coming: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
        """Run a command in an application whose Encryptor a function returns."""
        application: Any = ModuleType("application_with_tenants")
        application.encryptor = coming.encryptor
        monkeypatch.setitem(sys.modules, application.__name__, application)
        options = ["--encryptor", f"{application.__name__}:encryptor"]
        return lambda *arguments, group="keys": CliRunner().invoke(commands, [group, *arguments, *options])

    def test_move_says_what_is_left(self, run: Callable[..., Any], coming: Scene) -> None:
        """And from when on it can be done, and what backups stay readable with."""
        result = run("move", "--tenant", "a")
        assert result.exit_code == 0, result.output
        for told in ("follows, and encrypts from 20", "follows, and tags from 20", "tag all rows again from 20"):
            assert told in result.output
        for record in coming.encryptor().data_keys.move("a").left:
            if record.purpose is Purpose.ENCRYPTION:
                assert f"keys retire {record.key_id.hex()}" in result.output
        assert "Older backups stay readable with the default key" in result.output
        told = json.loads(run("move", "--tenant", "a", "--json").output)
        assert (told["made"], told["rewrapped"], told["complete"], len(told["left"])) == ([], 0, True, 2)

    def test_check_refuses_a_shared_key(self, run: Callable[..., Any], coming: Scene) -> None:
        """With the exit code of what is configured wrongly."""
        coming.answers["a"] = CountingProvider()
        assert run("check", "--tenant", "a").exit_code == 0
        coming.answers["a"] = coming.b
        assert run("check", "--tenant", "a").exit_code == 2

    def test_rewrap_of_a_tenant(self, run: Callable[..., Any], coming: Scene) -> None:
        """To its own key, and back in words."""
        assert run("rewrap", "--tenant", "a", "--yes").exit_code == 0
        assert coming.all_under("a", "a")
        assert run("rewrap", "--tenant", "a", "--to-default", "--yes").exit_code == 0
        assert coming.all_under("a", "default")

    def test_it_goes_nowhere_where_nobody_could_read(self, run: Callable[..., Any], coming: Scene) -> None:
        """A lookup that returns the own key provider alone would make the tenant unreadable under the default key."""
        assert run("rewrap", "--tenant", "a", "--yes").exit_code == 0
        coming.answers["a"] = coming.a
        result = run("rewrap", "--tenant", "a", "--to-default", "--yes")
        assert result.exit_code == 2
        assert "whose lookup returns a KeyProviderChain" in result.stderr
        assert coming.all_under("a", "a")

    @pytest.mark.parametrize("more", [[], ["--tenant", "a", "--to", "vault:x"]])
    def test_to_default_is_refused_before_anybody_is_asked(
        self, run: Callable[..., Any], coming: Scene, more: list[str]
    ) -> None:
        """It is for one tenant, and for no other key."""
        result = run("rewrap", "--to-default", *more)
        assert result.exit_code == 2
        assert "Go on?" not in result.output

    def test_a_key_that_fails_holds_up_the_rotation_of_no_other(self, run: Callable[..., Any], coming: Scene) -> None:
        """Its tenant is named on stderr, and the exit code is 1."""
        coming.b.wrap_failure = refusal
        result = run("rotate", "--all", "--json")
        assert result.exit_code == 1
        assert {each["tenant"] for each in json.loads(result.stdout)} == {"a", "other", None}
        assert "tenant 'b'" in result.stderr

    def test_keys_are_listed_with_their_tenants_own_key(self, run: Callable[..., Any], coming: Scene) -> None:
        """And a lookup that knows nothing of one tenant does not hide the keys of the others."""
        coming.answers |= {"b": None}  # type: ignore[dict-item]
        rows = json.loads(run("list", "--json").output)
        told = {row["tenant"]: row.get("own_wrapping_keys") for row in rows}
        assert told["a"] == list(coming.a.wrapping_keys())
        assert "USE_DEFAULT" in told["b"]
        assert told["other"] is told[None] is None

    def test_doctor_opens_each_data_key_for_its_tenant(self, run: Callable[..., Any], coming: Scene) -> None:
        """What one tenant's key service refuses is said of that tenant alone."""
        coming.a.unwrap_failure = refusal
        coming.answers["a"] = coming.a
        found = _findings(run)
        (wrong,) = [finding for finding in found if finding["verdict"] == "failed"]
        assert wrong["place"].endswith("tenant 'a'")
        assert "disabled" in wrong["detail"]
        opened = {finding["place"]: finding["detail"] for finding in found if finding["check"] == "data keys open"}
        assert opened["CountingProvider"] == "all 4"
        assert opened["CountingProvider, tenant 'b'"] == "all 2"

    def test_doctor_says_how_keys_from_before_are_read(self, run: Callable[..., Any], coming: Scene) -> None:
        """No wrap can be added by a key provider that opens none."""
        coming.answers["a"] = coming.a
        (wrong,) = [finding for finding in _findings(run) if finding["verdict"] == "failed"]
        assert "KeyProviderChain" in wrong["advice"]
        assert "keys move" in wrong["advice"]

    def test_doctor_names_the_provider_of_a_tenant(self, run: Callable[..., Any], coming: Scene) -> None:
        """The one that its lookup returns, which is then tried out."""
        told = {finding["check"]: finding["detail"] for finding in _findings(run, "--tenant", "b")}
        assert told["key provider"] == f"tenant 'b' has its own: {coming.b.wrapping_keys()[0]}"
        assert coming.b.contexts[-1]["fieldcrypt:tenant"] == "b"


def _findings(run: Callable[..., Any], *arguments: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("--json", *arguments, group="doctor").output)["findings"]
    return found
