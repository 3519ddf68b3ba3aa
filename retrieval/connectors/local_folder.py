"""A folder of this machine: lists all that is in it, links within it included, and reads its files."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from retrieval.connectors.base import SkippedItem, SourceItem, SourceUnavailable
from retrieval.connectors.local_files import (
    GONE,
    fingerprint_of,
    is_below,
    name_item,
    open_folder,
    read_file,
)
from retrieval.connectors.locations import outside_roots, touches_data
from retrieval.connectors.selection import is_dropping
from retrieval.names import make_legible, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.connectors.base import Content
    from retrieval.connectors.selection import Selection

    Found = SourceItem | SkippedItem


class LocalFolder:
    """`path` and `boundary` are absolute; `path` has to be below it each time it is opened."""

    def __init__(self, path: str, boundary: str, selection: Selection) -> None:
        self._path = path
        self._boundary = boundary
        self._selection = selection
        # For reading: where it really is, and its descriptor.
        self._opened: tuple[str, int] | None = None

    def walk(self) -> Iterator[Found]:
        real, fd = self._open()
        try:
            yield from _Walk(real, fd, self._selection).run()
            self._check_still_there(fd)
        finally:
            os.close(fd)

    def read(self, external_id: str, max_bytes: int) -> Content:
        if self._opened is None:
            self._opened = self._open()
        return read_file(*self._opened, external_id, max_bytes)

    def close(self) -> None:
        if self._opened is not None:
            os.close(self._opened[1])
            self._opened = None

    def _open(self) -> tuple[str, int]:
        real = os.path.realpath(self._path)
        inside = is_below(real, os.path.realpath(self._boundary)) and not touches_data(real)
        if not inside:
            raise outside_roots(self._path)
        try:
            return real, open_folder(real)
        except OSError as error:
            raise explain(error, self._path) from None

    def _check_still_there(self, fd: int) -> None:
        """What was walked has to be what is there now: a drive may have gone meanwhile."""
        try:
            same = os.path.samestat(os.fstat(fd), os.stat(self._path))  # noqa: PTH116
        except OSError as error:
            raise explain(error, self._path) from None
        if not same:
            raise SourceUnavailable(
                f"The folder {make_legible(self._path)} was replaced while it was listed."
            )


def explain(error: OSError, path: str) -> SourceUnavailable:
    folder = shorten(make_legible(path))
    if error.errno in GONE:
        return SourceUnavailable(
            f"The folder {folder} is not there. Is its drive mounted?", code="folder_missing"
        )
    if isinstance(error, PermissionError):
        return SourceUnavailable(
            f"ragadmin may not read the folder {folder}: give its account the right to.",
            code="permission_denied",
        )
    return SourceUnavailable(f"The folder {folder} cannot be read: {error.strerror}.")


class _Walk:
    """Every folder once: under its own name if that is listed, else under the first link to it.

    So links that go round in circles end, and one to a neighbour doubles nothing.
    """

    def __init__(self, real_root: str, root_fd: int, selection: Selection) -> None:
        self._real_root = real_root
        self._root_fd = root_fd
        self._selection = selection
        self._seen: set[tuple[int, int]] = set()
        # Folders to do: as named in the source, and where they are below the root.
        self._folders = [("", "")]
        self._links: list[tuple[str, str]] = []

    def run(self) -> Iterator[Found]:
        while self._folders or self._links:
            if not self._folders:
                self._links.sort(reverse=True)
                self._folders.append(self._links.pop())
            yield from self._list_folder(*self._folders.pop())

    def _list_folder(self, path: str, real: str) -> list[Found]:
        try:
            fd = open_folder(real, self._root_fd)
        except OSError as error:
            # One that has gone meanwhile is gone; of one that is closed nothing is known.
            if error.errno in GONE and real:
                return []
            raise explain(error, f"{self._real_root}/{real}") from None
        try:
            return self._list_open_folder(fd, path, real)
        except OSError as error:
            raise explain(error, f"{self._real_root}/{real}") from None
        finally:
            os.close(fd)

    def _list_open_folder(self, fd: int, path: str, real: str) -> list[Found]:
        found = os.fstat(fd)
        if (found.st_dev, found.st_ino) in self._seen:
            return []
        self._seen.add((found.st_dev, found.st_ino))
        prefix = f"{path}/" if path else ""
        real_prefix = f"{real}/" if real else ""
        items: list[Found | None] = []
        with os.scandir(fd) as entries:
            for entry in entries:
                name = entry.name
                if is_dropping(name):
                    continue
                if entry.is_symlink():
                    items.append(self._follow(prefix + name, real_prefix + name))
                elif entry.is_dir():
                    items.append(self._queue_folder(prefix + name, real_prefix + name))
                else:
                    items.append(self._list_file(prefix + name, entry))
        return [item for item in items if item is not None]

    def _queue_folder(self, path: str, real: str) -> SkippedItem | None:
        skipped = self._selection.skip_folder(path)
        if skipped is None:
            self._folders.append((path, real))
        return skipped

    def _list_file(self, path: str, entry: os.DirEntry[str]) -> Found | None:
        skipped = self._selection.skip_file(path)
        if skipped is not None:
            return skipped
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        return self._make_item(path, found)

    def _make_item(self, path: str, found: os.stat_result) -> Found:
        if not stat.S_ISREG(found.st_mode):
            reason = "is a pipe, a socket or a device, and no file"
            return SkippedItem(shorten(make_legible(path)), reason, "unsupported_type")
        return self._selection.make_item(
            name_item(path), path, found.st_size, fingerprint_of(found)
        )

    def _follow(self, path: str, real: str) -> Found | None:
        target = os.path.realpath(f"{self._real_root}/{real}")
        shown = shorten(make_legible(path))
        if not is_below(target, self._real_root):
            return SkippedItem(shown, "is a link out of the folder", "outside_root")
        try:
            found = os.lstat(target)
        except OSError as error:
            if error.errno not in GONE:
                raise
            return SkippedItem(shown, "is a link to nothing", "broken_link")
        if stat.S_ISDIR(found.st_mode):
            skipped = self._selection.skip_folder(path)
            if skipped is None:
                self._links.append((path, target[len(self._real_root.rstrip("/")) + 1 :]))
            return skipped
        if stat.S_ISLNK(found.st_mode):
            return SkippedItem(shown, "is a link that leads back to itself", "broken_link")
        return self._selection.skip_file(path) or self._make_item(path, found)
