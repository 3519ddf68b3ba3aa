"""Which addresses may be a source."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from ragadmin import env
from ragadmin.errors import ConfigurationError
from retrieval.connectors.base import SourceUnavailable
from retrieval.connectors.hosts import allowed_private, check_address, resolve_public

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_refused(address):
    with pytest.raises(SourceUnavailable) as raised:
        check_address(address)
    assert raised.value.code == "private_address"
    assert raised.value.permanent


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700:4700::1111"]
)
def test_public_address_is_allowed(address):
    check_address(address)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:7f00:1]"],
)
def test_name_or_number_of_this_machine_is_refused_however_it_is_written(host):
    with pytest.raises(SourceUnavailable) as raised:
        resolve_public(host, 80)
    assert raised.value.code == "private_address"


def test_unknown_name_is_told_as_such():
    with pytest.raises(SourceUnavailable) as raised:
        resolve_public("no-such-host.invalid", 80)
    assert raised.value.code == "unresolvable"
    assert not raised.value.permanent


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b", "\ud800", "x\x00y", ""])
def test_impossible_name_is_refused(host):
    with pytest.raises(SourceUnavailable):
        resolve_public(host, 80)


def test_operator_allows_a_private_host_by_the_name_it_has_in_the_source(settings):
    settings.PRIVATE_SOURCE_HOSTS = ["LocalHost:8080", "10.0.0.5", "[fd00::5]:9000"]
    assert allowed_private("localhost", 8080)
    assert allowed_private("localhost.", 8080)
    assert not allowed_private("localhost", 80)
    assert not allowed_private("127.0.0.1", 8080)
    assert allowed_private("10.0.0.5", 1234)
    assert allowed_private("[FD00:0::5]", 9000)
    assert not allowed_private("fd00::5", 80)
    assert ip_address("127.0.0.1") in resolve_public("localhost", 8080)


def test_none_is_allowed_by_default(settings):
    assert settings.PRIVATE_SOURCE_HOSTS == []


@pytest.mark.parametrize(
    "value", ["http://intranet/", "host:port", "a/b", "me@host", "host:0", "::1"]
)
def test_malformed_list_of_private_hosts_stops_the_start(monkeypatch, value):
    monkeypatch.setenv("RAGADMIN_PRIVATE_HOSTS", f"good.example,{value}")
    with pytest.raises(ConfigurationError, match="RAGADMIN_PRIVATE_HOSTS"):
        env.read_hosts("RAGADMIN_PRIVATE_HOSTS")


def test_list_of_private_hosts_is_read(monkeypatch):
    monkeypatch.setenv("RAGADMIN_PRIVATE_HOSTS", "a.example, 10.0.0.5:80 ,[::1]:90,[::1]")
    assert env.read_hosts("RAGADMIN_PRIVATE_HOSTS") == [
        "a.example",
        "10.0.0.5:80",
        "[::1]:90",
        "[::1]",
    ]
