"""The table of both backends: what it says of a row, and of a native core that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import limits
from benchmarks import native as section
from benchmarks.__main__ import main
from benchmarks.native import backends as found
from benchmarks.native.row import NATIVE, PURE, Row
from benchmarks.native.tables import table_rows
from benchmarks.native.values import beside_cipher, five_at_once
from fieldcrypt import ConfigurationError, Encryptor


def row(pure: float, native: float, more_is_better: bool = False) -> Row:
    return Row(
        "w", "1 µs", ("encrypt",), {PURE: (pure,), NATIVE: (native,)}, {PURE: (2.0,), NATIVE: (1.0,)}, more_is_better
    )


@pytest.mark.parametrize(
    ("pure", "native", "more_is_better", "verdict"),
    [
        (2.0, 1.0, False, "yes"),
        (2.004, 1.0, False, "yes"),
        (2.01, 1.0, False, "no: pure"),
        (2.01, 1.01, False, "no: pure and native"),
        (3.0, 0.99, True, "no: native"),
    ],
)
def test_a_row_says_who_misses_a_limit(pure: float, native: float, more_is_better: bool, verdict: str) -> None:
    """As the figures are written: what is shown as the limit reaches it."""
    assert row(pure, native, more_is_better).cells()[-1] == verdict


def test_a_row_without_native_is_judged_by_pure_alone() -> None:
    """What was not measured reaches nothing, and misses nothing."""
    alone = Row("w", "1 µs", ("encrypt",), {PURE: (1.5,)}, {PURE: (2.0,), NATIVE: (1.0,)})
    assert alone.cells() == ("w", "1 µs", "1.50", "2.00", "–", "1.00", "yes")
    assert alone.holds(NATIVE) is None


def test_a_row_of_several_figures_holds_if_each_does() -> None:
    """The worst of them counts."""
    both = Row("w", "", ("encrypt", "decrypt"), {PURE: (1.0, 3.1)}, {PURE: (2.0, 3.0)})
    assert both.cells()[2:4] == ("1.00 / 3.10", "2.00 / 3.00")
    assert both.holds(PURE) is False


def test_every_backend_that_is_there_takes_part() -> None:
    """Values, five fields at once, and a table; each backend beside what is not protected."""
    keys = found.encryptors()
    rows = [*beside_cipher(keys, 0.05), *table_rows(keys, 30, 2, ("sqlite",))]
    assert len(rows) == 4 + 4
    assert all(set(each.found) == set(keys) for each in rows)
    assert all(figure > 0 for each in rows for figures in each.found.values() for figure in figures)
    assert five_at_once(keys, 0.05).keys() == keys.keys()


def test_without_native_its_limits_are_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to have a native core; the reason is said."""

    def refused(backend: str | None = None) -> Encryptor:
        raise ConfigurationError("it is not here")

    monkeypatch.setattr(found, "stored", refused)
    path = tmp_path / "limits.toml"
    path.write_text("[native]\n'encrypt 64 B' = 1e-9\n")
    monkeypatch.setattr(limits.read, "__defaults__", (path,))
    assert main(["--check"]) == 0
    assert "it is not here" in capsys.readouterr().out


def test_what_is_limited_is_called_by_its_row() -> None:
    """A name that was mistyped would limit nothing."""
    rows = [Row(name, "", (name,), {NATIVE: (1.0,)}, {}) for name in ("a", "b")]
    assert section.ratios(rows) == {"a": 1.0, "b": 1.0}
