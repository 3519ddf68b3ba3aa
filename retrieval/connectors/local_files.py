"""Opens and reads files below a folder so that nothing outside of it can be reached.

Whoever may write into the folder can swap links under our hands. So everything is opened by its real
path, from a folder that is open already downwards, one name at a time, following no link.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from retrieval.connectors.base import Content, ItemGone, ItemUnreadable
from retrieval.connectors.reading import check_size, filename_of, has_settled, read_unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

# Begins an external id whose bytes are no UTF-8. No relative path begins with it.
ESCAPED = "//"
# Search is enough for the folders on the way; only Linux can ask for so little.
_SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
LINKS = frozenset({errno.ELOOP, errno.ENOTDIR})
GONE = LINKS | {errno.ENOENT}


def name_item(path: str) -> str:
    """The path as an external id. os.fsdecode leaves surrogates for bytes that are no UTF-8."""
    if path.isascii():
        return path
    try:
        path.encode()
    except UnicodeEncodeError:
        return ESCAPED + quote_from_bytes(os.fsencode(path))
    return path


def path_of(external_id: str) -> str:
    """The way back. Raises ItemGone for what no listing has ever named."""
    path = external_id
    if path.startswith(ESCAPED):
        path = os.fsdecode(unquote_to_bytes(path.removeprefix(ESCAPED)))
    if "\x00" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise ItemGone("There is no such file in the folder.")
    return path


def fingerprint_of(found: os.stat_result) -> str:
    """Without the inode: it is another after a restore or a copy to a new disk, and on some network
    drives after each mount, and everything would be read again. A file put in place of another of
    the same size and time is found by the daily full check."""
    return f"{found.st_size}-{found.st_mtime_ns}"


def is_below(real: str, real_root: str) -> bool:
    return real == real_root or real.startswith(f"{real_root.rstrip('/')}/")


def open_folder(real: str, start_fd: int | None = None) -> int:
    """A descriptor of the folder, for listing. Without `start_fd`, `real` has to be absolute."""
    return _open_below(real, start_fd, _LIST)


def _open_below(real: str, start_fd: int | None, flags: int) -> int:
    *folders, last = [part for part in real.split("/") if part] or ["."]
    fd = os.open("/" if start_fd is None else ".", _SEARCH, dir_fd=start_fd)
    try:
        for name in folders:
            fd, above = os.open(name, _SEARCH, dir_fd=fd), fd
            os.close(above)
        return os.open(last, flags, dir_fd=fd)
    finally:
        os.close(fd)


def read_file(real_root: str, root_fd: int, external_id: str, max_bytes: int) -> Content:
    path = path_of(external_id)
    return read_unchanged(lambda: _read_once(real_root, root_fd, path, max_bytes), pause_s=0.1)


def _read_once(real_root: str, root_fd: int, path: str, max_bytes: int) -> Content | None:
    """None when the file changed meanwhile."""
    with _opened(real_root, root_fd, path) as fd:
        before = os.fstat(fd)
        check_size(before.st_size, max_bytes)
        data = _read_all(fd, before.st_size)
        after = os.fstat(fd)
    if len(data) != after.st_size or fingerprint_of(before) != fingerprint_of(after):
        return None
    fingerprint = fingerprint_of(after) if has_settled(after.st_mtime) else ""
    return Content(data, filename_of(path), fingerprint)


def _read_all(fd: int, size: int) -> bytes:
    parts = []
    left = size
    while left and (part := os.read(fd, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


@contextmanager
def _opened(real_root: str, root_fd: int, path: str) -> Iterator[int]:
    try:
        try:
            fd = _open_regular(path, root_fd)
        except OSError as error:
            if error.errno not in LINKS:
                raise
            fd = _open_regular(_resolve(path, real_root), root_fd)
        try:
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        raise _explain(error) from None


def _resolve(path: str, real_root: str) -> str:
    """Where the links in the path lead, if that is below the root."""
    real = os.path.realpath(f"{real_root}/{path}")
    if real == real_root or not is_below(real, real_root):
        raise ItemGone("The file is a link out of the folder now.")
    return real[len(real_root.rstrip("/")) + 1 :]


def _open_regular(path: str, root_fd: int) -> int:
    """Raises OSError with one of LINKS where a link is on the way."""
    folder, _, name = path.rpartition("/")
    folder_fd = _open_below(folder, root_fd, _SEARCH)
    try:
        # Opening a device can do something, so what it is comes first.
        _check_regular(os.stat(name, dir_fd=folder_fd, follow_symlinks=False))
        fd = os.open(name, _READ, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)
    try:
        _check_regular(os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check_regular(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(found.st_mode):
        raise ItemGone("There is no file of that name any more, but something else.")


def _explain(error: OSError) -> ItemGone | ItemUnreadable:
    if error.errno in GONE:
        return ItemGone("The file is not in the folder any more.")
    if isinstance(error, PermissionError):
        return ItemUnreadable(
            "ragadmin may not read the file: give its account the right to.",
            code="permission_denied",
            permanent=False,
        )
    return ItemUnreadable(f"The file cannot be read: {error.strerror}.", permanent=False)
