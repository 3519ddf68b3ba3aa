"""Writes an archive's entries one after another, and notes size and checksum of each."""

from __future__ import annotations

import hashlib
import time
import zipfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tenants.archive.manifest import MANIFEST, FileRecord, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

# Vectors in digits pack to a third at any level; the higher ones only take longer.
QUICK = 3


class Entry:
    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, content: bytes) -> None:
        self._stream.write(content)
        self._sha256.update(content)
        self.bytes += len(content)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()


class ArchiveWriter:
    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(
            stream, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=QUICK
        )
        self.files: list[FileRecord] = []

    @contextmanager
    def entry(self, name: str, *, has_rows: bool = False) -> Iterator[Entry]:
        """Packed if it `has_rows`: documents mostly are packed already."""
        stored = zipfile.ZipInfo(name, time.localtime()[:6])
        with self._zip.open(name if has_rows else stored, "w", force_zip64=True) as stream:
            entry = Entry(stream)
            yield entry
        self.files.append(FileRecord(name, entry.bytes, entry.sha256))

    def finish(self, manifest: Manifest) -> None:
        self._zip.writestr(MANIFEST, manifest.as_json(), zipfile.ZIP_DEFLATED)
        self.close()

    def close(self) -> None:
        """Before the stream is closed, also when it is thrown away."""
        self._zip.close()
