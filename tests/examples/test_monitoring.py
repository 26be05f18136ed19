"""The service that is watched: after a bad day, all that its dashboard and its alerts ask for is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from examples.monitoring.app import create_app
from examples.monitoring.visits import Visit, encryptor
from fieldcrypt import EventKind
from fieldcrypt.settings import Settings
from fieldcrypt.testing import FaultyProxy, LocalAws

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "monitoring"
RULES = yaml.safe_load((EXAMPLE / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((EXAMPLE / "dashboard.json").read_text())
QUERIES = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    },
}
REGIONS = ("us-east-1", "eu-west-1")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """The labels of each time series, by name, after a bad day."""
    with (
        pytest.MonkeyPatch.context() as environment,
        LocalAws(REGIONS) as aws,
        FaultyProxy(aws.endpoint("us-east-1")) as near,
    ):
        environment.setenv("AWS_ACCESS_KEY_ID", "local")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "local")
        endpoints = f"endpoint.us-east-1={near.url}&endpoint.eu-west-1={aws.endpoint('eu-west-1')}"
        keys = Settings(f"awskms:{aws.create_key()}?regions={','.join(REGIONS)}&{endpoints}")
        engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('visits')}/visits.sqlite")
        client = create_app(engine, keys).test_client()
        live(SimpleNamespace(client=client, engine=engine, near=near))
        page = client.get("/metrics").text
        encryptor.close()
        engine.dispose()
    series: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            series.setdefault(sample.name, []).append(sample.labels)
    assert "migraine" not in page
    return series


def live(day: Any) -> None:
    """What happens: visits, a denial, a lost region, plaintext, a forged value."""
    for number in range(3):
        assert day.client.post("/north/visits", json={"id": number, "diagnosis": "migraine"}).status_code == 201
    encryptor.forget()
    day.near.fail("AccessDeniedException", "no")
    assert day.client.get("/north/visits").status_code == 503
    day.near.healthy()
    encryptor.forget()
    day.near.refuse()
    assert len(day.client.get("/north/visits").json) == 3  # by the other region
    with day.engine.begin() as connection:
        connection.execute(text("INSERT INTO visits VALUES (7, 'north', CAST('migraine' AS BLOB))"))
    assert len(day.client.get("/north/visits").json) == 4
    with day.engine.begin() as connection:
        connection.execute(
            text("UPDATE visits SET diagnosis = (SELECT diagnosis FROM visits WHERE id = 1) WHERE id = 2")
        )
    assert day.client.get("/north/visits").status_code == 503
    with encryptor.writing_canaries(), Session(day.engine) as session:
        session.add(Visit(id=9, clinic="south", diagnosis="nobody's"))
        session.commit()
    assert len(day.client.get("/south/visits").json) == 1


@pytest.mark.parametrize("name", QUERIES)
def test_what_is_asked_for_is_exported(exported: dict[str, list[dict[str, str]]], name: str) -> None:
    """Every metric, every label, and every value that a label is compared with."""
    query = QUERIES[name]
    metrics = set(re.findall(r"\bfieldcrypt_\w+(?=[\[{\s)])", re.sub(r"\bby \([^)]*\)|\{[^}]*\}", " ", query + " ")))
    assert metrics
    for metric in metrics:
        assert metric in exported, name
        labels = exported[metric]
        groups = [one.strip() for group in re.findall(r"by \(([^)]*)\)", query) for one in group.split(",")]
        compared = re.findall(r'(\w+)=~?"([^"]*)"', " ".join(re.findall(r"\{([^}]*)\}", query)))
        for label in {*groups, *(label for label, _ in compared)} - {"job", "instance"}:
            assert any(label in each for each in labels), (name, label)
        for label, values in ((label, values) for label, values in compared if label != "job"):
            known = (
                {kind.value for kind in EventKind}
                if label == "fieldcrypt_event"
                else {each.get(label) for each in labels}
            )
            assert set(values.split("|")) <= known, name


def test_the_bad_day_is_told(exported: dict[str, list[dict[str, str]]]) -> None:
    """By the region that failed and the one that served, by field, and by tenant."""
    calls = {
        (each["fieldcrypt_place"], each["fieldcrypt_outcome"], each.get("error_type") or None)
        for each in exported["fieldcrypt_key_service_duration_seconds_count"]
    }
    assert calls >= {("eu-west-1", "success", None), ("us-east-1", "failure", "AccessDeniedException")}
    (decrypted,) = {each["fieldcrypt_field"] for each in exported["fieldcrypt_values_decrypted_total"]}
    assert decrypted == "visits.diagnosis"
    assert {each["fieldcrypt_tenant"] for each in exported["fieldcrypt_values_decrypted_total"]} == {"north", "south"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """By a section of the page for those on call."""
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "https://fieldcrypt.readthedocs.io/en/latest/operations/on-call.html"
    headings = re.findall(r"^### (.+)$", (ROOT / "docs" / "operations" / "on-call.md").read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith((".", "?"))


def test_every_kind_that_needs_somebody_has_an_alert() -> None:
    """All that is logged as a warning or an error."""
    alerts = " ".join(rule["expr"] for rule in RULES)
    needed = re.findall(
        r"^\| `(\w+)` \|",
        (ROOT / "docs" / "reference" / "events.md").read_text().partition("## What is normal")[0],
        re.MULTILINE,
    )
    kinds = [kind for kind in needed if kind in {each.value for each in EventKind}]
    assert "denied" in kinds
    assert [kind for kind in kinds if kind not in alerts] == [
        "failed_over"
    ]  # seen by region, in the requests that fail
