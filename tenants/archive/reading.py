"""Opens an archive and believes nothing of it: every name, size and checksum is compared first."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from tenants.archive.manifest import (
    DOCUMENTS,
    MANIFEST,
    PEOPLE,
    TABLES,
    ArchiveError,
    FileRecord,
    Manifest,
    parse_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    Progress = Callable[[str, int, int], None]

BLOCK = 2**20
LARGEST_MANIFEST = 256 * 2**20
# What an honest archive unpacks to: rows of text pack about 5 times, never a thousand.
LARGEST_RATIO, SMALL = 200, 2**30
# Postgres takes no longer value.
LONGEST_LINE = 2**30
DAMAGED = "The archive is damaged: {}. Copy or export it again."
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class Archive:
    """`verify` comes before anything else is believed."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self.entries = {info.filename: info for info in archive.infolist()}
        self._check_entries(archive.infolist())
        self.manifest: Manifest = parse_manifest(self._read(MANIFEST, LARGEST_MANIFEST))
        self.files = {each.name: each for each in self.manifest.files}
        self._check_list()

    def verify(self, progress: Progress) -> None:
        """Every checksum. Raises ArchiveError."""
        for number, record in enumerate(self.manifest.files):
            progress("checksums", number, len(self.files))
            sha256, rows = hashlib.sha256(), 0
            for block in self._blocks(record.name):
                sha256.update(block)
                rows += block.count(b"\n") if record.rows is not None else 0
            if sha256.hexdigest() != record.sha256:
                raise _damaged(f"{record.name} is not what was exported")
            if record.rows is not None and rows != record.rows:
                raise _damaged(f"{record.name} has {rows} rows instead of {record.rows}")

    def lines(self, table: str) -> Generator[str, None, None]:
        """The rows of a table as JSON. None for a table that is not in the archive."""
        name = f"{TABLES}{table}.jsonl"
        if name not in self.files:
            return
        try:
            with self._zip.open(name) as stream:
                while line := stream.readline(LONGEST_LINE):
                    yield line.decode()
        except BROKEN as error:
            raise _damaged(f"{name} cannot be read") from error

    @contextmanager
    def document(self, name: str) -> Iterator[IO[bytes]]:
        with self._zip.open(name) as stream:
            yield stream

    def has_document(self, name: str) -> bool:
        return name.startswith(DOCUMENTS) and name in self.files

    def people(self) -> Any:
        return json.loads(self._read(PEOPLE, LARGEST_MANIFEST))

    def tables(self) -> set[str]:
        names = [name for name in self.files if name.startswith(TABLES)]
        return {name.removeprefix(TABLES).removesuffix(".jsonl") for name in names}

    def count_rows(self) -> int:
        return sum(record.rows or 0 for record in self.manifest.files)

    def _check_entries(self, infos: list[zipfile.ZipInfo]) -> None:
        if MANIFEST not in self.entries:
            raise ArchiveError(
                f"This is not an export of a ragadmin tenant: it has no {MANIFEST}.",
                code="archive_foreign",
            )
        if len(infos) != len(self.entries):
            raise _damaged("it holds two files of the same name")
        for info in infos:
            problem = _find_trick(info)
            if problem:
                raise _damaged(f"{info.filename[:100]!r} {problem}")
        unpacked, packed = (
            sum(getattr(info, size) for info in infos) for size in ("file_size", "compress_size")
        )
        if unpacked > SMALL + LARGEST_RATIO * packed:
            raise ArchiveError(
                f"The archive would unpack to {unpacked:,} bytes from {packed:,}: "
                "no export of a tenant does."
            )

    def _check_list(self) -> None:
        listed = set(self.files) | {MANIFEST}
        if len(listed) != len(self.manifest.files) + 1:
            raise _damaged("its manifest lists a file twice")
        for name in sorted(set(self.entries) ^ listed)[:1]:
            raise _damaged(f"{name[:100]!r} is not in both the archive and its manifest")
        if PEOPLE not in self.files:
            raise _damaged(f"{PEOPLE} is missing")
        for record in self.manifest.files:
            self._check_record(record)

    def _check_record(self, record: FileRecord) -> None:
        if record.bytes != self.entries[record.name].file_size:
            raise _damaged(f"{record.name} has another size than its manifest says")
        is_table = record.name.startswith(TABLES) and record.name.endswith(".jsonl")
        is_known = is_table or record.name.startswith(DOCUMENTS) or record.name == PEOPLE
        if not is_known or is_table != (record.rows is not None):
            raise _damaged(f"{record.name[:100]!r} does not belong in it")

    def _read(self, name: str, limit: int) -> bytes:
        if self.entries[name].file_size > limit:
            raise _damaged(f"{name} is too big")
        return b"".join(self._blocks(name))

    def _blocks(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as stream:
                while block := stream.read(BLOCK):
                    yield block
        except BROKEN as error:
            raise _damaged(f"{name} cannot be read") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Raises ArchiveError."""
    try:
        opened = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ArchiveError(f"There is no file {path}.", code="archive_missing") from None
    except BROKEN as error:
        raise ArchiveError(
            "The file is not a ZIP archive, or its end is missing: it may have been copied in part."
        ) from error
    with opened:
        yield Archive(opened)


def _find_trick(info: zipfile.ZipInfo) -> str:
    """Nothing is unpacked under its own name, and no export has such names."""
    name = info.filename
    if info.is_dir() or (info.external_attr >> 16) & 0o170000 not in (0, 0o100000):
        return "is not a plain file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if name.startswith("/") or "\\" in name or name[1:2] == ":" or "\0" in info.orig_filename:
        return "is not a relative name"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "leads out of the archive"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a way that exports are not"
    return ""


def _damaged(what: str) -> ArchiveError:
    return ArchiveError(DAMAGED.format(what))
