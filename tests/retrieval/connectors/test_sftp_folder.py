"""A folder of a real SFTP server on the loopback address."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import paramiko
import pytest

from ragadmin.errors import InvalidRequest
from retrieval.connectors.base import ItemGone, SourceUnavailable
from retrieval.connectors.folder import FolderConnector

LONG_AGO = 1_600_000_000


class Login(paramiko.ServerInterface):
    def check_auth_password(self, username, password):
        right = (username, password) == ("reader", "right")
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


class Files(paramiko.SFTPServerInterface):
    """Shows the folder `root`."""

    root = ""

    def _real(self, path):
        return Path(self.root + self.canonicalize(path))

    def list_folder(self, path):
        try:
            entries = list(os.scandir(self._real(path)))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        return [paramiko.SFTPAttributes.from_stat(e.stat(), e.name) for e in entries]

    def stat(self, path):
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def open(self, path, flags, attr):
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = self._real(path).open("rb")
        return handle


@pytest.fixture
def server(tmp_path):
    """The place in a url, and the key that the server shows."""
    key = paramiko.ECDSAKey.generate()
    root = tmp_path / "served"
    root.mkdir()
    files = type("FilesHere", (Files,), {"root": str(root)})
    listener = socket.create_server(("127.0.0.1", 0))
    transports = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
            try:
                transport.start_server(server=Login())
            except (paramiko.SSHException, EOFError):
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield root, f"127.0.0.1:{listener.getsockname()[1]}", f"{key.get_name()} {key.get_base64()}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for transport in transports:
        transport.close()


@pytest.fixture
def open_sftp(server, settings):
    _, place, host_key = server
    settings.PRIVATE_SOURCE_HOSTS = [place]
    opened = []

    def make(path="docs", password="right", host_key=host_key):
        options = {"username": "reader", "host_key": host_key}
        config = {"url": f"sftp://{place}/{path}", "options": options}
        opened.append(
            FolderConnector(
                FolderConnector.clean_config(config, tenant_slug="acme"), {"password": password}
            )
        )
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


def write(root, path, data=b"text"):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    os.utime(file, (LONG_AGO, LONG_AGO))


def test_lists_and_reads_a_folder_and_what_is_below(server, open_sftp):
    for path in ("docs/a b.md", "docs/sub/ü.md", "docs/.hidden.md", "other/c.md"):
        write(server[0], path)
    connector = open_sftp()
    items = {item.path: item for item in connector.list_items({})}
    assert set(items) == {"a b.md", "sub/ü.md"}
    for path, item in items.items():
        content = connector.fetch(item.external_id)
        assert (content.data, content.fingerprint) == (b"text", item.fingerprint)
        assert content.filename == path.rpartition("/")[2]
    assert not connector.reads_cheaply


def test_an_empty_file_is_read_too(server, open_sftp):
    write(server[0], "docs/a.md", b"")
    assert open_sftp().fetch("a.md").data == b""


def test_what_is_not_there_is_gone_or_missing(server, open_sftp):
    write(server[0], "docs/a.md")
    for external_id in ("gone.md", "../other/c.md"):
        with pytest.raises(ItemGone):
            open_sftp().fetch(external_id)
    with pytest.raises(SourceUnavailable) as raised:
        list(open_sftp("missing").list_items({}))
    assert raised.value.code == "folder_missing"


def test_a_wrong_password_fails_the_listing(server, open_sftp):
    write(server[0], "docs/a.md")
    with pytest.raises(SourceUnavailable) as raised:
        list(open_sftp(password="wrong").list_items({}))
    assert (raised.value.code, raised.value.permanent) == ("permission_denied", True)


def test_a_server_with_another_key_gets_no_password(server, open_sftp):
    other = paramiko.ECDSAKey.generate()
    with pytest.raises(SourceUnavailable) as raised:
        list(open_sftp(host_key=f"{other.get_name()} {other.get_base64()}").list_items({}))
    assert (raised.value.code, raised.value.permanent) == ("host_key", True)


def test_a_private_address_is_refused_by_default(server, open_sftp, settings):
    settings.PRIVATE_SOURCE_HOSTS = []
    with pytest.raises(SourceUnavailable) as raised:
        list(open_sftp().list_items({}))
    assert raised.value.code == "private_address"


def test_the_servers_key_has_to_be_given(server):
    with pytest.raises(InvalidRequest) as raised:
        FolderConnector.clean_config(
            {"url": f"sftp://{server[1]}/docs", "options": {"username": "reader"}},
            tenant_slug="acme",
        )
    assert raised.value.extra == {"field": "config.options.host_key"}
