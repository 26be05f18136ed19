"""What is noted next to the data: with what each part was written, and that it is whole.

Two notes for each time that a part is written, one before and one after, as files of `_fieldcrypt/notes`, which readers
of the data pass over. So files that were left by a run that was killed can be told from files of somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 (Spark's own name for it)

from fieldcrypt import ConfigurationError
from fieldcrypt_spark.parts import Name, directory_of

__all__ = ["Notes"]

_FOLDER = "_fieldcrypt/notes"
_VERSION = 2
_OF_VERSION_1 = ("by", "columns", "encrypted")  # what its notes have of `about`

Files = dict[str, int]  # names and sizes


class Notes:
    """The notes next to the data of one path, and the files that are there.

    Args:
        spark: the session.
        path: of the data.
        by: the column whose values are the parts.
        about: what all parts are written with.

    Raises:
        ConfigurationError: the path has files that no backfill wrote, or wrote with something else; or notes that this
            version cannot read.
    """

    def __init__(self, spark: SparkSession, path: str, by: str, about: Mapping[str, Any]) -> None:
        self._spark, self._path, self._by, self._about = spark, path, by, about
        self._attempts: dict[Name, int] = {}
        self._whole: dict[Name, dict[str, Any]] = {}
        notes = _notes(spark, path)
        for note in notes:
            now = about if note["version"] == _VERSION else {name: about[name] for name in _OF_VERSION_1}
            if note["about"] != now:
                raise ConfigurationError(
                    f"{path} was written with other columns, fields or rows: {_difference(note['about'], now)}. "
                    "Nothing was written; write to another path"
                )
        for note in sorted(notes, key=lambda note: note["attempt"]):
            self._attempts[note["part"]] = note["attempt"]
            if "files" in note:
                self._whole[note["part"]] = note
        self._files = _files(spark, path)
        self._check_files()

    @property
    def has_files(self) -> bool:
        """Whether there are data already."""
        return bool(self._files)

    def keys(self) -> dict[str, set[str]]:
        """Return the ids of the keys, in hexadecimal, that values of each encrypted column were under at last."""
        found: dict[str, set[str]] = {}
        for note in self._whole.values():
            for name, ids in note["keys"].items():
                found.setdefault(name, set()).update(ids)
        return found

    def gone(self, parts: Iterable[Name]) -> list[Name]:
        """Return the parts that have files here, and are none of these."""
        left = {part for part in self._attempts if self._files_of(part)} - set(parts)
        return sorted(left, key=lambda part: (part is not None, part or ""))

    def is_whole(self, part: Name, rows: int) -> bool:
        """Return True if a part is there as it was noted, with so many rows."""
        note = self._last_whole(part)
        return note is not None and note["files"] == self._files_of(part) and note["rows"] == rows

    def begin(self, part: Name) -> None:
        """Note that a part is going to be written."""
        self._attempts[part] = self._attempts.get(part, 0) + 1
        self._append({"part": part})

    def end(self, part: Name, rows: int, keys: Mapping[str, list[str]]) -> None:
        """Note that a part was written: how many rows, and the ids of the keys that each column is under."""
        self._files = _files(self._spark, self._path)
        self._append({"part": part, "rows": rows, "keys": dict(keys), "files": self._files_of(part)})

    def _append(self, note: dict[str, Any]) -> None:
        text = json.dumps({"version": _VERSION, "attempt": self._attempts[note["part"]], "about": self._about, **note})
        line = self._spark.range(1, numPartitions=1).select(F.lit(text).alias("value"))
        line.write.mode("append").text(f"{self._path}/{_FOLDER}")

    def _last_whole(self, part: Name) -> dict[str, Any] | None:
        """Return the note of a part that was not begun again since."""
        note = self._whole.get(part)
        return note if note is not None and note["attempt"] == self._attempts[part] else None

    def _files_of(self, part: Name) -> Files:
        return self._files.get(directory_of(self._by, part), {})

    def _check_files(self) -> None:
        parts = {directory_of(self._by, part): part for part in self._attempts}
        for directory, files in self._files.items():
            note = self._last_whole(parts[directory]) if directory in parts else None
            if directory not in parts or (note is not None and not files.items() <= note["files"].items()):
                raise ConfigurationError(
                    f"{self._path} has files that no backfill wrote, in {directory!r}: they may be plaintext, and are "
                    "neither taken for complete nor overwritten. Write to another path, or remove them"
                )


def _notes(spark: SparkSession, path: str) -> list[dict[str, Any]]:
    try:
        lines = spark.read.text(f"{path}/{_FOLDER}").collect()
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return []
    return [_note(line[0], path) for line in lines]


def _note(line: str, path: str) -> dict[str, Any]:
    with suppress(ValueError):
        note = json.loads(line)
        if isinstance(note, dict) and note.get("version") in (1, _VERSION):
            return note
    raise ConfigurationError(f"{path}/{_FOLDER} has a note that this version cannot read: write to another path")


def _files(spark: SparkSession, path: str) -> dict[str, Files]:
    """Return the files of any kind that are there, by their directory, in which Spark's escapes are undone."""
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    try:
        found = reader.load(path).select("path", "length").collect()
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return {}
    files: dict[str, Files] = {}
    for file in found:
        directory, name = file["path"].split("/")[-2:]
        files.setdefault(unquote(directory), {})[name] = file["length"]
    return files


def _difference(former: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    names = sorted(name for name in {*former, *about} if former.get(name) != about.get(name))
    return "; ".join(f"{name}: {former.get(name)!r}, and now {about.get(name)!r}" for name in names)
