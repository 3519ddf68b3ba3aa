"""A bucket of a real server that speaks S3, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config

from ragadmin.embedded.ports import free_port
from ragadmin.errors import InvalidRequest, TooLarge
from retrieval.connectors.base import ItemGone, ItemUnreadable, SourceItem, SourceUnavailable
from retrieval.connectors.folder import FolderConnector

KEYS = {"key": "writer", "secret": "writer-secret"}


@pytest.fixture(scope="module")
def server():
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(10)


@pytest.fixture
def s3(server):
    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id=KEYS["key"],
        aws_secret_access_key=KEYS["secret"],
        config=Config(s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3):
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def allow(settings, server):
    settings.PRIVATE_SOURCE_HOSTS = [server.removeprefix("http://")]


@pytest.fixture
def open_bucket(server, allow):
    opened = []

    def make(url, credentials=KEYS, endpoint=server, **config):
        config = {"url": url, "options": {"endpoint_url": endpoint}, **config}
        connector = FolderConnector(
            FolderConnector.clean_config(config, tenant_slug="acme"), credentials
        )
        opened.append(connector)
        return connector

    yield make
    for connector in opened:
        connector.close()


def put(s3, bucket, **objects):
    for key, data in objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=data)


def list_paths(connector):
    return sorted(item.path for item in connector.list_items({}))


def enforce_credentials(server, on):
    data = b"0" if on else b"inf"
    request = urllib.request.Request(
        f"{server}/moto-api/reset-auth", data, {"Content-Type": "text/plain"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=5).close()


def test_lists_what_is_below_the_folder_with_etag_and_size(s3, bucket, open_bucket):
    put(s3, bucket, **{"docs/a.md": b"one", "docs/sub/b.md": b"three", "other/c.md": b"c"})
    items = list(open_bucket(f"s3://{bucket}/docs").list_items({}))
    assert {(item.external_id, item.path, item.size) for item in items} == {
        ("a.md", "a.md", 3),
        ("sub/b.md", "sub/b.md", 5),
    }
    assert all(item.fingerprint.endswith(f"-{item.size}") for item in items)
    assert items[0].fingerprint != items[1].fingerprint


def test_fetches_the_bytes_with_the_fingerprint_that_the_listing_gave(s3, bucket, open_bucket):
    put(s3, bucket, **{"docs/sub/b.md": b"text"})
    connector = open_bucket(f"s3://{bucket}/docs")
    [item] = connector.list_items({})
    content = connector.fetch(item.external_id)
    assert (content.data, content.filename) == (b"text", "b.md")
    assert content.fingerprint == item.fingerprint


def test_lists_more_objects_than_one_answer_holds(s3, bucket, open_bucket):
    with ThreadPoolExecutor(4) as pool:
        keys = [f"file-{number}.txt" for number in range(1101)]
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))
    assert len(list_paths(open_bucket(f"s3://{bucket}"))) == 1101


def test_other_bytes_of_the_same_size_change_the_fingerprint(s3, bucket, open_bucket):
    connector = open_bucket(f"s3://{bucket}")
    put(s3, bucket, **{"a.md": b"one"})
    [before] = connector.list_items({})
    put(s3, bucket, **{"a.md": b"two"})
    [after] = connector.list_items({})
    assert before.fingerprint != after.fingerprint
    assert connector.fetch("a.md").fingerprint == after.fingerprint
    assert connector.fingerprints_content
    assert not connector.reads_cheaply


def test_keys_may_hold_what_they_like(s3, bucket, open_bucket):
    keys = ["a b.md", "ü'\"<&>.md", "a%20b+c.md", "x//y.md"]
    put(s3, bucket, **{f"docs/{key}": key.encode() for key in keys})
    connector = open_bucket(f"s3://{bucket}/docs/")
    items = [item for item in connector.list_items({}) if isinstance(item, SourceItem)]
    assert sorted(connector.fetch(item.external_id).data.decode() for item in items) == sorted(keys)
    assert all("\n" not in item.path for item in items)


def test_folder_markers_and_hidden_keys_are_no_documents(s3, bucket, open_bucket):
    put(s3, bucket, **{"docs/": b"", "docs/.git/config.md": b"x", "docs/~$a.docx": b"x"})
    assert list_paths(open_bucket(f"s3://{bucket}")) == []


def test_patterns_and_types_choose_among_objects(s3, bucket, open_bucket):
    put(s3, bucket, **{"a.md": b"x", "drafts/b.md": b"x", "c.png": b"x", "d.txt": b"x"})
    found = list(
        open_bucket(f"s3://{bucket}", include=["*.md", "*.png"], exclude=["drafts/"]).list_items({})
    )
    assert {(item.path, getattr(item, "code", "")) for item in found} == {
        ("a.md", ""),
        ("drafts/b.md", "excluded"),
        ("c.png", ""),
        ("d.txt", "excluded"),
    }


def test_an_object_that_is_too_large_counts_as_failed(s3, bucket, open_bucket, settings):
    settings.MAX_UPLOAD_BYTES = 10
    put(s3, bucket, **{"a.md": b"x" * 11})
    connector = open_bucket(f"s3://{bucket}")
    [item] = connector.list_items({})
    assert (item.code, item.is_failure) == ("too_large", True)
    with pytest.raises(TooLarge):
        connector.fetch("a.md")


def test_an_object_that_was_deleted_is_gone(s3, bucket, open_bucket):
    connector = open_bucket(f"s3://{bucket}")
    with pytest.raises(ItemGone):
        connector.fetch("a.md")


def test_a_missing_bucket_is_said_to_be_missing(open_bucket):
    with pytest.raises(SourceUnavailable) as raised:
        list(open_bucket("s3://not-there-at-all").list_items({}))
    assert (raised.value.code, raised.value.permanent) == ("bucket_missing", True)
    assert "not-there-at-all" in raised.value.message


def test_wrong_credentials_are_told_from_missing_ones(s3, server, bucket, open_bucket):
    put(s3, bucket, **{"a.md": b"x"})
    connector = open_bucket(f"s3://{bucket}", {"key": "AKIAWRONG", "secret": "wrong"})
    enforce_credentials(server, True)
    try:
        with pytest.raises(SourceUnavailable) as raised:
            list(connector.list_items({}))
    finally:
        enforce_credentials(server, False)
    assert (raised.value.code, raised.value.permanent) == ("bad_credentials", True)
    assert "wrong" not in raised.value.message


def test_without_credentials_only_what_is_public_is_read(s3, bucket, open_bucket, monkeypatch):
    """The machine's own credentials are nobody's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret"])
    put(s3, bucket, **{"a.md": b"x"})
    with pytest.raises(ItemUnreadable) as raised:
        open_bucket(f"s3://{bucket}", {}).fetch("a.md")
    assert raised.value.code == "permission_denied"
    s3.put_object_acl(Bucket=bucket, Key="a.md", ACL="public-read")
    assert open_bucket(f"s3://{bucket}", {}).fetch("a.md").data == b"x"


def test_proxies_of_the_environment_are_not_used(s3, bucket, open_bucket, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    connector = open_bucket(f"s3://{bucket}")
    assert list(connector.list_items({})) == []


def test_a_server_that_is_down_is_said_to_be_unreachable(settings, open_bucket):
    port = free_port()
    settings.PRIVATE_SOURCE_HOSTS = [f"127.0.0.1:{port}"]
    connector = open_bucket("s3://bucket", endpoint=f"http://127.0.0.1:{port}")
    with pytest.raises(SourceUnavailable) as raised:
        list(connector.list_items({}))
    assert (raised.value.code, raised.value.permanent) == ("unreachable", False)
    assert str(port) in raised.value.message


def test_a_server_at_a_private_address_is_refused_by_default(s3, bucket, settings, open_bucket):
    put(s3, bucket, **{"a.md": b"x"})
    settings.PRIVATE_SOURCE_HOSTS = []
    with pytest.raises(SourceUnavailable) as raised:
        list(open_bucket(f"s3://{bucket}").list_items({}))
    assert (raised.value.code, raised.value.permanent) == ("private_address", True)
    assert "RAGADMIN_PRIVATE_HOSTS" in raised.value.message


class Redirecting(BaseHTTPRequestHandler):
    target = ""

    def do_GET(self):
        self.send_response(307)
        self.send_header("Location", self.target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        pass


def test_a_server_cannot_lead_to_a_private_address(server, s3, bucket, settings, open_bucket):
    """Its own address is allowed, and what it points to is another."""
    put(s3, bucket, **{"a.md": b"secret"})
    s3.put_object_acl(Bucket=bucket, Key="a.md", ACL="public-read")
    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as leading:
        Redirecting.target = f"{server}/{bucket}/a.md"
        threading.Thread(target=leading.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{leading.server_port}"
        settings.PRIVATE_SOURCE_HOSTS = [host]
        connector = open_bucket(f"s3://{bucket}", {}, endpoint=f"http://{host}")
        with pytest.raises(SourceUnavailable) as raised:
            connector.fetch("a.md")
        leading.shutdown()
    assert raised.value.code == "private_address"


def test_a_name_that_does_not_exist_is_said_not_to(open_bucket):
    connector = open_bucket("s3://bucket", endpoint="http://nowhere.invalid:9000")
    with pytest.raises(SourceUnavailable) as raised:
        list(connector.list_items({}))
    assert raised.value.code == "unresolvable"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"url": "s3://"}, "config.url"),
        ({"url": "s3://key:secret@bucket/docs"}, "config.url"),
        ({"url": "s3://bucket/../other"}, "config.url"),
        ({"url": "s3://bucket?versionId=1"}, "config.url"),
        (
            {"url": "s3://bucket", "options": {"endpoint_url": "file:///etc"}},
            "options.endpoint_url",
        ),
        ({"url": "s3://bucket", "options": {"endpoint_url": "http://a@b"}}, "options.endpoint_url"),
        ({"url": "s3://bucket", "options": {"profile": "root"}}, "config.options"),
        ({"url": "s3://bucket", "options": {"region": "x.example.com/"}}, "options.region"),
        ({"url": "s3://bucket", "options": []}, "config.options"),
    ],
)
def test_a_bucket_is_named_by_url_and_few_options(config, field):
    with pytest.raises(InvalidRequest) as raised:
        FolderConnector.clean_config(config, tenant_slug="acme")
    assert raised.value.extra["field"].endswith(field)


def test_describes_itself_without_secrets(open_bucket):
    assert open_bucket("s3://bucket/docs/").describe() == "s3://bucket/docs"
