"""An item that was written before its table was protected."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

SOON = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)

PLAIN: dict[str, Any] = {
    "name": "Ann Example",
    "balance": Decimal("1700.50"),
    "visits": 17_171_717,
    "born": "1990-01-02",
    "photo": b"a photograph",
    "notes": {"of": ["Dr. Example", {"at": Decimal(5)}]},
    "tags": {"red hair", "blue eyes"},
}

TYPES: dict[str, Any] = {
    "name": str,
    "balance": Decimal,
    "visits": int,
    "born": dt.date,
    "photo": bytes,
    "notes": dict,
    "tags": set,
}
