"""Websites with TLS: the certificate is checked against the name, though the address is connected to."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from retrieval.connectors.base import SourceUnavailable
from tests.retrieval.connectors.website import Website
from tests.retrieval.connectors.websites import list_site


def make_certificate(folder, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def serve(tmp_path, settings, monkeypatch):
    """A website with a certificate for a name, which is trusted or not."""
    opened = []

    def start(name, *, is_trusted):
        certificate = make_certificate(tmp_path, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        website = Website(context).__enter__()
        opened.append(website)
        settings.PRIVATE_SOURCE_HOSTS = [f"localhost:{website.port}"]
        if is_trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        website.add("/", "a")
        website.add("/a", text="word " * 20_000)
        return website

    yield start
    for website in opened:
        website.__exit__()


def test_website_with_a_trusted_certificate_is_listed_over_one_connection(serve):
    site = serve("localhost", is_trusted=True)
    assert list_site(site.url()).paths == ["/", "/a"]
    assert site.connections == 1


@pytest.mark.parametrize(("name", "is_trusted"), [("localhost", False), ("other.example", True)])
def test_certificate_of_nobody_or_of_another_name_is_refused(serve, name, is_trusted):
    site = serve(name, is_trusted=is_trusted)
    with pytest.raises(SourceUnavailable, match="(?i)certificate") as raised:
        list_site(site.url())
    assert not raised.value.permanent
    assert site.requests == []
