"""The Celery application of the reports with a broker that is a directory, so that a test can look into it."""

from __future__ import annotations

import os
from pathlib import Path

from examples.celery_reports.app import app

__all__ = ["app", "use"]


def use(directory: Path) -> None:
    """Have messages in a directory."""
    folders = {f"data_folder_{way}": str(directory / "queue") for way in ("in", "out")}
    app.conf.update(
        broker_url="filesystem://",
        broker_transport_options={**folders, "control_folder": str(directory / "control"), "polling_interval": 0.05},
    )


if "BROKER_DIRECTORY" in os.environ:
    use(Path(os.environ["BROKER_DIRECTORY"]))
