"""The bounded transport: over TLS and through proxies it is as bounded as over a plain connection."""

import datetime as dt
import ipaddress
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.llm.asking import Line, NoAnswerError
from shared.llm.connection import Provider
from tests.support.askers import question
from tests.support.hostile_model import HostileModel, completion, dripping, endless

LOOPBACK = ipaddress.ip_address("127.0.0.1")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate of one's own for this machine, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "certificate.pem"
    path.write_bytes(secret + certificate.public_bytes(pem))
    return path


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def line_to(url: str) -> Line:
    return Line(Provider(name="x", base_url=url, api_key="k"), max_answer_bytes=100_000, max_depth=32)


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch, no_proxies: None) -> Iterator[HostileModel]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HostileModel(completion("x"), tls=context) as model:
        yield model


def test_an_answer_comes_over_tls(secure: HostileModel) -> None:
    line = line_to(secure.url)
    for _ in range(2):
        assert line.ask(question("a" * 200_000), timeout_s=5).text == "x"
    line.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: dripping(completion("x" * 5_000)), "out-of-time"),
        (lambda: endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000), "bad-answer"),
    ],
)
def test_tls_is_bounded_too(secure: HostileModel, answer: Any, why: str) -> None:
    secure.script = lambda _: answer()
    line = line_to(secure.url)
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=why):
        line.ask(question(), timeout_s=0.8)
    assert time.monotonic() - began < 4
    line.close()


def test_a_certificate_that_nobody_knows_is_refused(secure: HostileModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    line = line_to(secure.url)
    with pytest.raises(NoAnswerError, match="no-connection"):
        line.ask(question(), timeout_s=5)
    assert secure.asked == []
    line.close()


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch, no_proxies: None) -> None:
    with HostileModel(completion("by proxy")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        line = line_to("http://model.invalid/v1")
        assert line.ask(question(), timeout_s=5).text == "by proxy"
        line.close()
        monkeypatch.setenv("no_proxy", "model.invalid")
        line = line_to("http://model.invalid/v1")
        with pytest.raises(NoAnswerError, match="no-connection"):
            line.ask(question(), timeout_s=5)
        line.close()
        assert len(proxy.asked) == 1
