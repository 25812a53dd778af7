"""What authorities and administrators hand over: looked at as a client would, before it is used."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from setup import cli, hosts
from setup.errors import SetupError, UsageError
from setup.layout import Layout
from setup.python import layers
from setup.tls.certificates import Certificates
from setup.tls.files import load_key, read_certificates
from tests.setup.authority import Company, handshake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOST = "build7.corp.example"
PHRASE = "open sesame"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    layout = Layout(tmp_path / "prefix", tmp_path / "cache")
    layout.create(need=0)
    return Certificates(layout)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


@pytest.fixture
def run(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """Run `setup tls import` in this process, which has the environment's packages already."""
    monkeypatch.setattr(layers, "enter", lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    prefix = str(certificates.layout.prefix)
    return lambda *arguments: cli.main(["tls", "import", *arguments, "--prefix", prefix])


# Names


@pytest.mark.parametrize(
    ("name", "host", "good"),
    [
        (HOST, HOST, True),
        ("BUILD7.corp.example", "build7.CORP.example", True),
        ("*.corp.example", HOST, True),
        ("*.corp.example", "corp.example", False),
        ("*.corp.example", "a.build7.corp.example", False),
        ("*.example", "corp.example", False),
        ("b*.corp.example", HOST, False),
        ("*", "build7", False),
        ("build7", HOST, False),
        ("10.1.2.3", "10.1.2.3", True),
        ("*.1.2.3", "10.1.2.3", False),
    ],
)
def test_a_name_covers_what_clients_say(
    certificates: Certificates, company: Company, name: str, host: str, *, good: bool
) -> None:
    assert hosts.covers(name, host) is good
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = company.sign(key.public_key(), [name])
    certificates.import_answer([company.write("a", leaf, company.issuer, company.root)], None, key)
    if good:
        assert handshake(certificates, host) == "TLSv1.3"
        assert certificates.ensure(host).ca == certificates.ca
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(certificates, host)
        with pytest.raises(SetupError, match=r"not for .*--host NAME"):
            certificates.ensure(host)


def test_an_answer_with_a_wildcard_fits_the_request(
    certificates: Certificates, company: Company
) -> None:
    leaf = company.answer(certificates.csr([HOST], "ec"), names=["*.corp.example"])
    path = company.write("a", leaf, company.issuer, company.root)
    with pytest.raises(UsageError, match=r"not for other\.example, the name of the server that"):
        certificates.import_answer([path], host="other.example")
    certificates.import_answer([path], host=HOST)
    assert handshake(certificates, HOST) == "TLSv1.3"


# What a client would refuse


def _usage(**kinds: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: kinds.get(name, False) for name in names})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"eku": [ExtendedKeyUsageOID.CLIENT_AUTH]}, "clientAuth only, and serverAuth is needed"),
        ({"more": [_usage(key_encipherment=True)]}, "lacks digitalSignature"),
        ({"more": [x509.BasicConstraints(ca=True, path_length=None)]}, "CA:TRUE"),
        ({"end": -1}, "the certificate is valid from .*, and today is .*ask the authority"),
        ({"begin": 2}, "the certificate is valid from .*is this clock right"),
        ({"names": []}, "no subject alternative names"),
        ({"names": ["other.example"]}, f"{HOST} is missing"),
        ({"names": ["*.example"]}, f"{HOST} is missing"),
        ({"issuer": {"end": -1}}, "the issuer 'CN=issuer' is valid from .*its present one"),
        ({"issuer": {"begin": 3}}, "the issuer 'CN=issuer' is valid from"),
        ({"drop": "issuer"}, "'CN=issuer' is missing"),
        ({"drop": "root"}, "'CN=root' is missing"),
    ],
)
def test_what_a_client_would_refuse_changes_nothing(
    certificates: Certificates, company: Company, options: dict[str, Any], words: str
) -> None:
    certificates.init(["before.example"], "ec")
    before = {path: path.read_bytes() for path in certificates.home.iterdir()}
    request = certificates.csr([HOST], "ec")
    if made := options.pop("issuer", None):
        company.issuer = company.authority("issuer", company.key, **made)
    chain = {"issuer": company.issuer, "root": company.root}
    chain.pop(options.pop("drop", ""), None)
    extensions = options.pop("more", [])
    if purposes := options.pop("eku", None):
        extensions = [x509.ExtendedKeyUsage(purposes)]
    leaf = company.answer(request, *extensions, **options)
    with pytest.raises(UsageError, match=words):
        certificates.import_answer([company.write("a", leaf, *chain.values())])
    assert {path: path.read_bytes() for path in before} == before
    assert certificates.request.exists()
    company.issuer = company.authority("issuer", company.key)
    good = company.write("good", company.answer(request), company.root, company.issuer)
    certificates.import_answer([good])
    assert handshake(certificates, HOST) == "TLSv1.3"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ec.generate_private_key(ec.SECP256K1()), "on the curve secp256k1.*P-256 or P-384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "on the curve secp521r1"),
        (ed25519.Ed25519PrivateKey.generate, "of the kind Ed25519"),
    ],
)
def test_keys_that_java_or_browsers_do_not_know(
    certificates: Certificates, company: Company, make: Callable[[], Any], words: str
) -> None:
    path = company.folder / "own.key"
    path.write_bytes(
        make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    with pytest.raises(UsageError, match=words):
        load_key(path)


def test_a_signature_of_old(certificates: Certificates, company: Company) -> None:
    company.write("issuer.pem", company.issuer)
    (company.folder / "issuer.key").write_bytes(
        company.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    request = certificates.csr([HOST], "ec")
    command = ["openssl", "x509", "-req", "-sha1", "-CA", "issuer.pem", "-CAkey", "issuer.key"]
    command += ["-in", str(request), "-copy_extensions", "copy", "-out", "leaf.pem"]
    subprocess.run(command, cwd=company.folder, check=True, capture_output=True)
    rest = company.write("rest", company.issuer, company.root)
    with pytest.raises(UsageError, match=r"signed with SHA1.*ask the authority for SHA-256"):
        certificates.import_answer([company.folder / "leaf.pem", rest])


def test_an_issuer_with_a_weak_key(certificates: Certificates, company: Company) -> None:
    company.key = rsa.generate_private_key(65537, 1024)
    company.issuer = company.authority("issuer", company.key)
    leaf = company.answer(certificates.csr([HOST], "ec"))
    with pytest.raises(UsageError, match="the issuer 'CN=issuer' has 1024 bits"):
        certificates.import_answer([company.write("a", leaf, company.issuer, company.root)])


def test_of_two_certificates_of_an_issuer_the_one_that_holds_is_taken(
    certificates: Certificates, company: Company
) -> None:
    ended = company.authority("issuer", company.key, begin=-9, end=-1)
    leaf = company.answer(certificates.csr([HOST], "ec"))
    certificates.import_answer(
        [company.write("a", leaf, ended), company.write("b", company.root, ended, company.issuer)]
    )
    assert handshake(certificates, HOST) == "TLSv1.3"


def test_an_issuer_that_ends_is_seen_before_a_start(
    certificates: Certificates, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days that are left are those of the whole chain, and a start refuses what has ended."""
    company.issuer = company.authority("issuer", company.key, end=5)
    leaf = company.answer(certificates.csr([HOST], "ec"))
    certificates.import_answer([company.write("a", leaf, company.issuer, company.root)])
    assert certificates.summary().days_left == 4
    key, chain = certificates._chain()
    certificates._write(
        key, [chain[0], company.authority("issuer", company.key, end=-1)], chain[2:]
    )
    with pytest.raises(SetupError, match=r"the issuer 'CN=issuer' is valid .* tls import"):
        certificates.ensure(HOST)


def test_a_root_that_this_machine_trusts_need_not_be_named(
    certificates: Certificates, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = company.answer(certificates.csr([HOST], "ec"))
    files = [company.write("fullchain.pem", leaf, company.issuer)]
    with pytest.raises(UsageError, match="'CN=root' is missing"):
        certificates.import_answer(files)
    monkeypatch.setenv("AZK_EXTRA_CA_CERTS", str(company.write("company.pem", company.root)))
    certificates.import_answer(files)
    assert read_certificates(certificates.ca) == [company.root]


# Files as they come


_PHRASE = BestAvailableEncryption(PHRASE.encode())
_EXPORT = "pkcs12 -export -in chain.pem -inkey own.key -out own.pfx"
_SECRET = ["--passphrase-file", "secret"]
_KEY = ["chain.pem", "--key-file", "own.key"]

# For each kind: commands of openssl, and the arguments of import.
_BY_OPENSSL = {
    "pfx": ([f"{_EXPORT} -passout file:secret"], ["own.pfx", *_SECRET]),
    "pfx of old Windows": ([f"{_EXPORT} -legacy -passout file:secret"], ["own.pfx", *_SECRET]),
    "pfx without passphrase": ([f"{_EXPORT} -passout pass:"], ["own.pfx"]),
    "key of a pfx": (
        [f"{_EXPORT} -passout file:secret"],
        ["chain.pem", "--key-file", "own.pfx", *_SECRET],
    ),
    "bag attributes": (
        [f"{_EXPORT} -passout pass:", "pkcs12 -in own.pfx -nodes -passin pass: -out bags.pem"],
        ["bags.pem"],
    ),
    "EC parameters": (["ecparam -name prime256v1 -out own.new"], _KEY),
}
_FORMS: dict[str, tuple[Any, Any, Any]] = {
    "key in DER": (Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "encrypted key": (Encoding.PEM, PrivateFormat.PKCS8, _PHRASE),
    "encrypted key in DER": (Encoding.DER, PrivateFormat.PKCS8, _PHRASE),
    "encrypted key of old openssl": (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, _PHRASE),
}
_TEXTS = {"lines of Windows": "utf-8", "a byte order mark": "utf-8-sig", "UTF-16": "utf-16"}


def _made(company: Company, kind: str) -> tuple[list[str], Any]:
    """Write key, certificate and chain as one kind of file; return the arguments of import."""
    folder = company.folder
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = company.sign(key.public_key(), [HOST])
    company.write("chain.pem", leaf, company.issuer, company.root)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (folder / "own.key").write_bytes(pem)
    (folder / "secret").write_text(PHRASE + "\n")
    commands, arguments = _BY_OPENSSL.get(kind, ([], _KEY))
    for command in commands:
        openssl = ["openssl", *command.split()]
        subprocess.run(openssl, cwd=folder, capture_output=True, check=True)
    if kind == "EC parameters":
        (folder / "own.key").write_bytes((folder / "own.new").read_bytes() + pem)
    elif kind == "key in the same file":
        (folder / "both.pem").write_bytes((folder / "chain.pem").read_bytes() + pem)
        arguments = ["both.pem"]
    elif kind == "in the wrong order":
        company.write("chain.pem", company.root, company.issuer, leaf)
    elif kind in _TEXTS:
        for path in (folder / "chain.pem", folder / "own.key"):
            text = path.read_text().replace("\n", "\r\n")
            path.write_bytes(text.encode(_TEXTS[kind]))
    elif kind in _FORMS:
        (folder / "own.key").write_bytes(key.private_bytes(*_FORMS[kind]))
        arguments = [*_KEY, *(_SECRET if "encrypted" in kind else [])]
    return arguments, leaf


@pytest.mark.parametrize(
    "kind", [*_BY_OPENSSL, *_FORMS, *_TEXTS, "key in the same file", "in the wrong order"]
)
def test_files_as_they_come(
    certificates: Certificates,
    company: Company,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    arguments, leaf = _made(company, kind)
    assert run(*arguments) == 0
    assert f"the certificate is for {HOST}, and this server would be" in capsys.readouterr().err
    assert certificates._chain()[1] == [leaf, company.issuer, company.root]
    assert read_certificates(certificates.ca) == [company.root]
    assert handshake(certificates, HOST) == "TLSv1.3"


@pytest.mark.parametrize("kind", ["pfx", "encrypted key", "encrypted key in DER"])
def test_a_passphrase_that_is_missing_or_wrong(
    certificates: Certificates,
    company: Company,
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    arguments, _ = _made(company, kind)
    assert run(*arguments[:-2]) == 2
    assert (
        "has a passphrase: name a file that holds it, --passphrase-file" in capsys.readouterr().err
    )
    (company.folder / "secret").write_text("closed sesame")
    assert run(*arguments) == 2
    assert "passphrase is wrong" in capsys.readouterr().err
    assert not certificates.exists


def test_what_is_no_certificate_is_named(
    certificates: Certificates, company: Company, tmp_path: Path
) -> None:
    request = certificates.csr([HOST], "ec")
    keytool = shutil.which("keytool")
    assert keytool is not None, "keytool is a part of every Java"
    store = tmp_path / "old.jks"
    command = [keytool, "-genkeypair", "-alias", "a", "-keyalg", "EC", "-dname", "CN=a"]
    command += ["-keystore", str(store), "-storetype", "JKS", "-storepass", "changeit"]
    subprocess.run([*command, "-keypass", "changeit"], check=True, capture_output=True)
    company.write("root.pem", company.root)
    subprocess.run(
        ["openssl", "x509", "-in", "root.pem", "-trustout", "-out", "trusted.pem"],
        cwd=tmp_path,
        check=True,
    )
    (tmp_path / "empty").write_text("")
    for path, words in (
        (store, "a Java keystore.*keytool -importkeystore .*-deststoretype PKCS12"),
        (tmp_path / "trusted.pem", "openssl's own form; convert it with openssl x509 -in"),
        (request, "a request, which an authority has to sign"),
        (certificates._request_key, "a private key; name it with --key-file"),
        (tmp_path / "empty", "neither PEM nor DER"),
    ):
        with pytest.raises(UsageError, match=words):
            certificates.import_answer([path])


def test_a_chain_that_newer_clients_refuse_is_announced(
    certificates: Certificates, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.13 wants the key identifiers of RFC 5280; older clients do without."""
    key = ec.generate_private_key(ec.SECP256R1())
    store = pkcs12.serialize_key_and_certificates(
        b"a", key, company.sign(key.public_key(), [HOST]), [company.issuer], NoEncryption()
    )
    (company.folder / "a.pfx").write_bytes(store)
    certificates.import_answer([company.folder / "a.pfx"], company.write("root.pem", company.root))
    assert "will refuse the chain" not in capsys.readouterr().err
    bare = x509.CertificateBuilder().subject_name(company.root.subject)
    now = company.root.not_valid_before_utc
    bare_leaf = (
        bare.issuer_name(company.issuer.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now)
        .not_valid_after(company.root.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(company.key, hashes.SHA256())
    )
    path = company.write("b", bare_leaf, company.issuer, company.root)
    certificates.import_answer([path], own_key=key)
    assert "Python 3.13 and later will refuse the chain" in capsys.readouterr().err
