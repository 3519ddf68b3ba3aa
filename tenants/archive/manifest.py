"""What an archive says about itself. Everything else in it is listed here with its checksum."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any

from ragadmin.errors import InvalidRequest
from ragadmin.installation import PROJECT_DIR

KIND, FORMAT_VERSION = "ragadmin tenant", 1
MANIFEST, PEOPLE = "manifest.json", "access.json"
TABLES, DOCUMENTS = "tables/", "documents/"
LEFT_OUT = (
    "API keys: only their hashes are stored, and a key must not work in two places. "
    "access.json names them, so that they can be made anew.",
    "Passwords and the credentials of model endpoints, which are only named.",
    "What was spent of budgets.",
    "Alert rules and whom they tell, saved filters, and which reports were sent.",
)
# Of the tenant's row: what makes its answers what they are. Its slug and isolation are advice only.
SETTINGS = (
    "slug",
    "name",
    "isolation",
    "status",
    "access_levels",
    "embedding_model",
    "embedding_dimension",
    "chunk_tokens",
    "generation",
    "top_k",
    "min_similarity",
    "corpus_revision",
    "query_settings",
    "raised_threshold",
    "timezone",
    "questions_per_minute",
    "evaluates_nightly",
    "trace_days",
)
# Archives from before these were settings lack them, and get the default.
LATER_SETTINGS = frozenset({"evaluates_nightly", "trace_days"})


class ArchiveError(InvalidRequest):
    """`code`: archive_damaged, archive_foreign or archive_newer. Nothing was imported."""

    code = "archive_damaged"


@dataclass(frozen=True, slots=True)
class FileRecord:
    name: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """`tenant` holds SETTINGS, the model endpoint's name and `spending`; `missing_files` paths of documents
    whose file was gone, though their text is here."""

    schema_version: str
    created_at: str
    ragadmin_version: str
    tenant: dict[str, Any]
    files: tuple[FileRecord, ...]
    missing_files: tuple[str, ...] = ()
    left_out: tuple[str, ...] = LEFT_OUT
    kind: str = KIND
    format_version: int = FORMAT_VERSION
    columns: dict[str, list[str]] = field(default_factory=dict)

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False).encode()


def parse_manifest(content: bytes) -> Manifest:
    """Raises ArchiveError."""
    try:
        values = json.loads(content)
        _check_kind(values)
        files = tuple(_file_record(each) for each in values["files"])
        return Manifest(
            schema_version=_text(values["schema_version"]),
            created_at=_text(values["created_at"]),
            ragadmin_version=_text(values["ragadmin_version"]),
            tenant=dict(values["tenant"]),
            files=files,
            missing_files=tuple(map(_text, values["missing_files"])),
            columns={table: list(map(_text, names)) for table, names in values["columns"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(
            f"The archive's {MANIFEST} cannot be read ({type(error).__name__}): "
            "it was changed after the export, or is damaged."
        ) from error


def ragadmin_version() -> str:
    with (PROJECT_DIR / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def _check_kind(values: Any) -> None:
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise ArchiveError("This is not an export of a ragadmin tenant.", code="archive_foreign")
    if values["format_version"] > FORMAT_VERSION:
        raise ArchiveError(
            f"The archive has format {values['format_version']}; this ragadmin reads up to "
            f"{FORMAT_VERSION}: update it first.",
            code="archive_newer",
        )


def _file_record(values: Any) -> FileRecord:
    record = FileRecord(
        _text(values["name"]), int(values["bytes"]), _text(values["sha256"]), values["rows"]
    )
    if record.bytes < 0 or not isinstance(record.rows, int | None):
        raise ValueError(record.name)
    return record


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value
