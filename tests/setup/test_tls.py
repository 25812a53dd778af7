"""Certificates: who is trusted for what, requests and answers, keystores, renewal."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import ssl
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from setup import cli
from setup.errors import SetupError, UsageError
from setup.java import Java
from setup.layout import Layout
from setup.python import layers
from setup.tls import certificates as module
from setup.tls.certificates import Certificates
from setup.tls.files import load_key, read_certificates
from setup.tls.x509 import SKEW, checked
from tests.setup.authority import Company, handshake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "build7.example.org"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "prefix", tmp_path / "cache")
    found.create(need=0)
    return found


@pytest.fixture
def certificates(layout: Layout) -> Certificates:
    return Certificates(layout)


@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_trusted_by_name_and_by_no_other(certificates: Certificates, key: str) -> None:
    certificates.init([HOST, "alias"], key)
    assert handshake(certificates, HOST) == "TLSv1.3"
    assert handshake(certificates, "alias") == "TLSv1.3"
    for wrong in ("127.0.0.1", "localhost", "example.org", f"www.{HOST}"):
        with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
            handshake(certificates, wrong)


def test_not_trusted_without_the_authority(certificates: Certificates, tmp_path: Path) -> None:
    certificates.init([HOST], "ec")
    other = Certificates(Layout(tmp_path / "other", tmp_path))
    other.init([HOST], "ec")
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate in"):
        handshake(certificates, HOST, other.ca)


def test_second_opinion(certificates: Certificates) -> None:
    """The path validation of RFC 5280, with the rules for the web's certificates."""
    certificates.init([HOST], "ec")
    (authority,) = read_certificates(certificates.ca)
    store = certificates._load()
    assert store.cert is not None
    build = PolicyBuilder().store(Store([authority]))
    for name, good in ((HOST, True), ("other.example.org", False)):
        verifier = build.build_server_verifier(x509.DNSName(name))
        if good:
            assert verifier.verify(store.cert.certificate, [])
        else:
            with pytest.raises(VerificationError):
                verifier.verify(store.cert.certificate, [])


def test_authority_can_sign_for_nobody_else(certificates: Certificates) -> None:
    """Who steals its key still cannot pass for another site with those who trust it."""
    certificates.init([HOST], "ec")
    key = load_key(certificates._ca_key)
    (authority,) = read_certificates(certificates.ca)
    for name in ("bank.example.com", "10.1.2.3"):
        names = module.general_names([name])
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
        forged_key = ec.generate_private_key(ec.SECP256R1())
        forged = (
            module.builder(name, authority.subject, forged_key, 5)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(aki, critical=False)
            .sign(key, hashes.SHA256())
        )
        certificates._write(forged_key, [forged], [authority])
        with pytest.raises(ssl.SSLCertVerificationError, match=r"subtree violation|excluded"):
            handshake(certificates, name)


def test_address_when_asked_for(certificates: Certificates) -> None:
    certificates.init([HOST, "127.0.0.1"], "ec")
    assert handshake(certificates, "127.0.0.1") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "127.0.0.2")


def test_properties_of_the_certificate(certificates: Certificates) -> None:
    certificates.init([HOST], days=20)
    store = certificates._load()
    assert store.cert is not None
    assert store.cert.friendly_name == b"jetty"
    leaf = store.cert.certificate
    key = leaf.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    left = leaf.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(19.9) < left <= dt.timedelta(20)
    # A clock that is set back does not end it; and browsers refuse more than 398 days in all.
    assert leaf.not_valid_before_utc < dt.datetime.now(dt.UTC) - dt.timedelta(29)
    assert dt.timedelta(module.SERVER_DAYS) + SKEW < dt.timedelta(398)


def test_files_are_private(certificates: Certificates) -> None:
    before = os.umask(0)
    try:
        keystore = certificates.ensure(HOST)
        certificates.csr([HOST], "ec")
    finally:
        os.umask(before)
    assert stat.S_IMODE(certificates.home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in certificates.home.iterdir()}
    public = {name for name, mode in modes.items() if mode != 0o600}
    assert public == {"ca.pem", "server.csr"}
    assert set(modes) >= {"keystore.p12", "truststore.p12", "keystore.password", "request.key"}
    assert len(keystore.password) >= 32
    assert keystore.password not in json.dumps(modes)


def test_ensure_makes_keeps_renews(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = certificates.ensure(HOST)
    made = certificates.summary()
    assert certificates.ensure(HOST) == first
    assert certificates.summary() == made
    authority = certificates.ca.read_bytes()
    monkeypatch.setattr(module, "RENEW_DAYS", 400)
    assert certificates.ensure(HOST) == first  # the same file, password, and authority
    assert certificates.summary().sha256 != made.sha256
    assert certificates.ca.read_bytes() == authority
    assert handshake(certificates, HOST) == "TLSv1.3"


def test_another_host_is_added(
    certificates: Certificates, capsys: pytest.CaptureFixture[str]
) -> None:
    certificates.ensure(HOST)
    certificates.ensure("Moved.example.org")
    assert certificates.summary().names == ["moved.example.org", HOST]
    assert "a new authority was made" in capsys.readouterr().err
    assert handshake(certificates, "moved.example.org") == "TLSv1.3"


def test_authority_that_ends_before_the_certificate_is_made_anew(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AUTHORITY_DAYS", 5)
    certificates.init([HOST], "ec", days=10)
    before = certificates.ca.read_bytes()
    certificates.init([HOST], "ec", days=20)
    assert certificates.ca.read_bytes() != before
    assert handshake(certificates, HOST) == "TLSv1.3"


@pytest.mark.parametrize(
    "name",
    ["", "two words", "-a", "a..b", "x" * 64, "a/b", "*", "a\nb", "my_host9", "(none)", "a.12"],
)
def test_names_that_are_none(certificates: Certificates, name: str) -> None:
    with pytest.raises(UsageError, match="is no host name"):
        certificates.init([name])
    assert not certificates.exists


def test_names_are_normalised() -> None:
    names = ["A.Example", "a.example.", "bücher.example", "::1", "*.w.example"]
    wanted = ["a.example", "xn--bcher-kva.example", "::1", "*.w.example"]
    assert checked(names) == wanted


# A company's authority


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


@pytest.mark.parametrize("form", ["one", "mixed", "der", "pkcs7", "openssl", "ca"])
def test_import(certificates: Certificates, company: Company, form: str) -> None:
    certificates.init(["old.example.org"], "ec")
    request = certificates.csr([HOST, "alias"], "ec")
    assert certificates.summary().names == ["old.example.org"]  # in use until the answer comes
    leaf = company.answer(request)
    chain = [leaf, company.issuer, company.root]
    ca = None
    if form == "one":
        files = [company.write("a.pem", *chain)]
    elif form == "mixed":
        files = [company.write("a.pem", company.root, leaf), company.write("b.pem", company.issuer)]
    elif form == "der":
        files = [company.write("c.pem", company.issuer, company.root), company.folder / "a.cer"]
        files[1].write_bytes(leaf.public_bytes(Encoding.DER))
    elif form == "ca":
        files = [company.write("a.pem", leaf, company.issuer)]
        ca = company.write("root.pem", company.root)
    elif form == "pkcs7":
        files = [company.folder / "a.p7b"]
        files[0].write_bytes(pkcs7.serialize_certificates(chain, Encoding.DER))
    else:  # in an order that only the older encoding (BER) allows
        chain.sort(key=lambda c: len(c.public_bytes(Encoding.DER)), reverse=True)
        company.write("a.pem", *chain)
        command = ("crl2pkcs7", "-nocrl", "-certfile", "a.pem", "-out", "a.p7b")
        _openssl(*command, folder=company.folder)
        files = [company.folder / "a.p7b"]
    certificates.import_answer(files, ca)
    assert handshake(certificates, HOST) == handshake(certificates, "alias") == "TLSv1.3"
    assert read_certificates(certificates.ca) == [company.root]
    summary = certificates.summary()
    assert (summary.authority, summary.issuer) == ("imported", "CN=issuer")
    assert not certificates._request_key.exists()
    assert not certificates._ca_key.exists()
    kept = certificates.ensure(HOST).path.read_bytes()
    with pytest.raises(UsageError, match="signed by another authority"):
        certificates.renew()
    with pytest.raises(UsageError, match=r"another authority \(CN=issuer\).*--replace"):
        certificates.init([HOST])
    assert certificates.ensure(HOST).path.read_bytes() == kept
    with pytest.raises(SetupError, match=f"not for {HOST}x; run python3 -m setup tls csr"):
        certificates.ensure(HOST + "x")
    certificates.init([HOST], replace=True)
    assert certificates.summary().authority == "local"


def test_import_refuses_what_does_not_fit(
    certificates: Certificates, company: Company, tmp_path: Path
) -> None:
    certificates.init([HOST], "ec")
    with pytest.raises(UsageError, match="no request waits"):
        certificates.import_answer([company.write("a", company.root)])
    before = certificates.keystore.read_bytes()
    request = certificates.csr([HOST], "ec")
    stale = company.answer(request)
    certificates.csr([HOST], "ec")
    good = company.answer(request)
    rest = company.write("rest.pem", company.issuer, company.root)
    (tmp_path / "junk").write_text("hello")
    stranger = Company(tmp_path)
    for files, words in (
        ([company.write("a.pem", stale), rest], "none of the 3 certificates"),
        ([company.write("b.pem", good)], "'CN=issuer' is missing.*--ca"),
        ([company.write("c.pem", good, company.issuer)], "'CN=root' is missing"),
        ([company.write("d.pem", good, stranger.issuer, stranger.root)], "is missing"),
        (
            [company.write("e.pem", company.answer(request, names=["x"])), rest],
            f"{HOST} is missing",
        ),
        ([company.write("f.pem", company.answer(request, end=-1)), rest], "and today is"),
        ([tmp_path / "junk"], "holds no certificate"),
        ([tmp_path / "none"], "No such file"),
    ):
        with pytest.raises(UsageError, match=words):
            certificates.import_answer(files)
    assert certificates.keystore.read_bytes() == before
    assert certificates.request.exists()
    certificates.import_answer([company.write("g.pem", good), rest])
    assert certificates.summary().authority == "imported"


def test_imported_certificate_ends(
    certificates: Certificates, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    request = certificates.csr([HOST], "ec")
    leaf = company.answer(request, end=10)
    certificates.import_answer([company.write("a.pem", leaf, company.issuer, company.root)])
    certificates.ensure(HOST)
    assert "ends in 9 days; see python3 -m setup tls csr" in capsys.readouterr().err


# Java's view, by its own keytool


def keytool(certificates: Certificates, store: Path) -> str:
    program = shutil.which("keytool")
    assert program is not None, "keytool is a part of every Java"
    command = [program, "-list", "-v", "-keystore", str(store), "-J-Duser.language=en"]
    command += ["-storepass:file", str(certificates.password_file)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.parametrize("key", ["rsa", "ec"])
def test_java_reads_the_stores(certificates: Certificates, key: str) -> None:
    certificates.init([HOST], key)
    listed = keytool(certificates, certificates.keystore)
    assert "Alias name: jetty" in listed
    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 2" in listed
    assert f"DNSName: {HOST}" in listed
    assert "Entry type: trustedCertEntry" in keytool(certificates, certificates.truststore)


# Command line


@pytest.fixture
def run(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run `setup tls` in this process, which has the environment's packages already."""
    monkeypatch.setattr(layers, "enter", lambda *_, **__: None)
    return lambda *arguments: cli.main(["tls", *arguments, "--prefix", str(layout.prefix)])


def test_command_line(
    run: Callable[..., int],
    certificates: Certificates,
    company: Company,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("show") == 2
    assert run("renew") == 2
    assert run("init", "--host", HOST, "--san", "alias", "--key", "ec", "--days", "40") == 0
    assert run("show", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["names"] == [HOST, "alias"]
    assert shown["key"] == "EC P-256"
    assert shown["days_left"] == 39
    assert run("renew") == 0
    assert run("init", "--host", HOST, "--days", "20") == 0
    assert run("show") == 1  # ends soon
    assert f"names      {HOST}" in capsys.readouterr().out
    assert run("csr", "--host", HOST) == 0
    assert capsys.readouterr().out == f"{certificates.request}\n"
    leaf = company.answer(certificates.request)
    path = company.write("a.pem", leaf, company.issuer)
    assert run("import", str(path)) == 2
    assert run("import", str(path), "--ca", str(company.write("r.pem", company.root))) == 0
    assert run("show") == 0


def test_damaged_settings_and_stores(certificates: Certificates) -> None:
    certificates.init([HOST], "ec")
    certificates.keystore.write_bytes(b"x")
    with pytest.raises(SetupError, match=r"cannot be opened.*run python3 -m setup tls init"):
        certificates.ensure(HOST)
    certificates._settings_file.write_text("{}")
    with pytest.raises(SetupError, match=r"cannot be read.*run python3 -m setup tls init"):
        certificates.ensure(HOST)


# A key of one's own, made as the notes say


def _openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)


def test_key_of_openssl_comes_in(
    run: Callable[..., int], certificates: Certificates, tmp_path: Path
) -> None:
    """``openssl genrsa -aes128``, ``req -new -x509 -sha256``, with the name that clients want."""
    made = x509_made_by_openssl(tmp_path, "-addext", f"subjectAltName=DNS:{HOST}")
    (tmp_path / "secret").write_text("open sesame\n")
    options = ["--key-file", str(tmp_path / "jetty.key")]
    assert run("import", str(made), *options) == 2, "there is no terminal to ask for a passphrase"
    (tmp_path / "wrong").write_text("closed sesame\n")
    assert run("import", str(made), *options, "--passphrase-file", str(tmp_path / "wrong")) == 2
    assert not certificates.exists
    assert run("import", str(made), *options, "--passphrase-file", str(tmp_path / "secret")) == 0
    assert handshake(certificates, HOST) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "127.0.0.1")
    assert certificates.summary().authority == "imported"
    assert certificates.summary().key == "RSA 2048"
    assert stat.S_IMODE(certificates.keystore.stat().st_mode) == 0o600


def x509_made_by_openssl(folder: Path, *more: str) -> Path:
    """Type the commands of the notes."""
    phrase = ("-passout", "pass:open sesame")
    _openssl("genrsa", "-aes128", *phrase, "-out", "jetty.key", "2048", folder=folder)
    request = ["req", "-new", "-x509", "-sha256", "-key", "jetty.key", "-out", "jetty.crt"]
    _openssl(*request, "-passin", phrase[1], "-subj", f"/CN={HOST}", *more, folder=folder)
    return folder / "jetty.crt"


def test_certificate_without_alternative_names_is_explained(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = x509_made_by_openssl(tmp_path)
    key = load_key(tmp_path / "jetty.key", lambda _: "open sesame")
    with pytest.raises(UsageError, match=r"ignored common names.*-addext subjectAltName=DNS:NAME"):
        certificates.import_answer([made], own_key=key)
    weak = rsa.generate_private_key(65537, 1024)
    leaf = (
        module.builder(HOST, module.subject_name(HOST), weak, 9)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(weak, hashes.SHA256())
    )
    (tmp_path / "weak.crt").write_bytes(leaf.public_bytes(Encoding.PEM))
    with pytest.raises(UsageError, match="1024 bits: clients want 2048 or more"):
        certificates.import_answer([tmp_path / "weak.crt"], own_key=weak)
    assert not certificates.exists


TRIPLE_DES = bytes.fromhex("2a864886f70d010c0103")  # object identifiers in DER
AES_256 = bytes.fromhex("60864801650304012a")


@pytest.mark.parametrize(
    ("version", "new"),
    [
        ("1.8.0_292", False),
        ("1.8.0_301", True),
        ("9.0.4", False),
        ("11.0.11", False),
        ("11.0.12", True),
        ("15.0.2", False),
        ("16", True),
        ("17.0.15", True),
        ("25", True),
    ],
)
def test_keystore_for_the_java_there_is(
    certificates: Certificates, version: str, *, new: bool
) -> None:
    """AES where Java reads it, else Triple DES; the certificate stays the same."""
    certificates.init([HOST], "ec")
    before = certificates.summary()
    for _ in range(2):
        certificates.ensure(HOST, Java(certificates.home, version))
        content = certificates.keystore.read_bytes()
        TRIPLE_DES, AES_256 = (
            bytes.fromhex("2a864886f70d010c0103"),
            bytes.fromhex("60864801650304012a"),
        )
        assert (AES_256 in content) is new
        assert (TRIPLE_DES in content) is not new
        assert certificates.summary() == before
    certificates.renew()
    assert (AES_256 in certificates.keystore.read_bytes()) is new
    assert handshake(certificates, HOST) == "TLSv1.3"
    certificates.ensure(HOST, Java(certificates.home, "17.0.1"))
    assert TRIPLE_DES not in certificates.keystore.read_bytes()
