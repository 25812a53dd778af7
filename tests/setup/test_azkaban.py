"""Azkaban without a server: options, settings files, ports of executors."""

from __future__ import annotations

import io
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import javaproperties
import pytest

from setup import cli
from setup.azkaban import Mail, Settings, Wanted, config, launch, schema, timezone
from setup.azkaban.mail import trouble
from setup.azkaban.program import Program
from setup.azkaban.settings import choose
from setup.errors import SetupError, UsageError
from setup.java import Java
from setup.layout import Layout
from setup.life.process import free_port
from setup.python import layers
from setup.tls.certificates import Certificates
from tests.mailbox import mailbox
from tests.setup.authority import Company

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Settings(host="h", address="127.0.0.1", port=8081, executor_port=12321, user="me")
KINDS = ("azkaban", "web", "executor")


@pytest.fixture
def ours(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "p", tmp_path / "cache")
    made.create(need=0)
    (made.azkaban / "program" / "run-files").mkdir(parents=True)
    return made


def program(version: str) -> Program:
    return Program(
        version,
        stock=version == "2.5.0",
        libraries=dict.fromkeys(KINDS, "lib"),
        classes=dict.fromkeys(KINDS, "Main"),
        jars={},
        ours="",
    )


def written(ours: Layout, settings: Settings, version: str, part: str) -> dict[str, str]:
    config.write(ours, settings, program(version), Path("/py"))
    path = ours.azkaban / "conf" / part / "azkaban.properties"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return javaproperties.loads(path.read_text())


@pytest.fixture
def setup(ours: Layout, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run `setup azkaban install` in this process."""
    monkeypatch.setattr(layers, "enter", lambda *_, **__: None)
    monkeypatch.setenv("AZK_ALLOW_ROOT", "1")
    prefix = ["--prefix", str(ours.prefix)]
    return lambda *arguments: cli.main(["azkaban", "install", *arguments, *prefix])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--heap", "lots"], "'lots': expected a size such as 768m or 2g"),
        (["--heap", "256m"], "at least 512m are needed, uploads of a few MB fail with less"),
        (["--executors", "0"], "'0': expected a number from 1 to 16"),
        (["--executors", "many"], "'many': expected a number from 1 to 16"),
        (["--timezone", "Mars/Phobos"], "'Mars/Phobos': no such time zone"),
        (["--port", "0"], "'0': expected a number from 1 to 65535"),
        (["--distribution"], "expected at least one argument"),
    ],
)
def test_wrong_values(
    setup: Callable[..., int],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        setup(*arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mail-user", "me"], "--mail-user belongs to --mail-host"),
        (["--no-mail-tls"], "--mail-tls belongs to --mail-host"),
        (["--mail-test", "a@b.c"], "--mail-test belongs to --mail-host"),
        (["--mail-host", "m", "--mail-test", "me"], "--mail-test me: expected an address"),
        (["--mail-host", "a b"], "--mail-host a b: expected a name, or NAME:PORT"),
        (["--mail-host", "mail:smtp"], "--mail-host mail:smtp: expected a name, or NAME:PORT"),
        (["--mail-host", "mail:70000"], "ports go from 1 to 65535"),
        (["--mail-host", "mail", "--mail-sender", "me"], "--mail-sender me: expected an address"),
        (["--mail-host", "mail", "--mail-user", "me"], "belong together"),
        (
            ["--mail-host", "m", "--mail-user", "u", "--mail-password-file", "/no", "--mail-tls"],
            "--mail-password-file /no: cannot be read",
        ),
        (
            ["--mail-host", "m", "--mail-user", "u", "--mail-password-file", "f", "--no-mail-tls"],
            "would send the password in the clear to m",
        ),
        (["--executors", "2"], "--executors 2: the profile solo is one process"),
        (["--distribution", "/no/such"], "/no/such: there is no such file or folder"),
    ],
)
def test_options_that_do_not_fit(
    setup: Callable[..., int],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert setup(*arguments) == 2
    assert words in capsys.readouterr().err


def test_empty_password(
    setup: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    mail = ["--mail-host", "m", "--mail-user", "u", "--mail-password-file", "-"]
    assert setup(*mail) == 2
    assert "its first line is empty" in capsys.readouterr().err


def test_pages_without_and_with_tls(ours: Layout) -> None:
    values = written(ours, SETTINGS, "4.0.0", "azkaban")
    assert (values["jetty.use.ssl"], values["jetty.port"]) == ("false", "8081")
    assert values["azkaban.default.servlet.path"] == "/index"
    assert values["default.timezone.id"] == timezone.of_machine()
    for key in ("web.resource.dir", "azkaban.project.dir", "user.manager.xml.file"):
        assert values[key].startswith(f"{ours.azkaban}/")
    stock = written(ours, SETTINGS, "2.5.0", "azkaban")
    assert stock["azkaban.default.servlet.path"] == "/js/console/index.html"
    assert "azkaban.use.multiple.executors" not in stock


def test_executors_share_nothing_that_they_must_not(ours: Layout) -> None:
    settings = replace(SETTINGS, profile="server", more_executors=(12322,))
    first = written(ours, settings, "4.0.0", "executor")
    second = written(ours, settings, "4.0.0", "executor-2")
    assert (first["executor.port"], second["executor.port"]) == ("12321", "12322")
    for key in ("azkaban.project.dir", "azkaban.execution.dir", "executor.portfile"):
        assert first[key] != second[key]
    assert first["azkaban.use.multiple.executors"] == "true"
    assert first["azkaban.server.hostname"] == "127.0.0.1"
    assert [part.name for part in settings.parts] == ["executor", "executor-2", "web"]
    assert [settings.heap_of(part.kind) for part in settings.parts] == ["512m", "512m", "1g"]


def test_jobs_run_without_root_whatever_the_file_said(ours: Layout) -> None:
    private = ours.azkaban / "plugins/jobtypes/commonprivate.properties"
    private.parent.mkdir(parents=True)
    private.write_text("execute.as.user=true\nmine=kept")
    for _ in range(2):
        written(ours, SETTINGS, "4.0.0", "azkaban")
    values = javaproperties.loads(private.read_text())
    assert values == {"execute.as.user": "false", "memCheck.enabled": "false", "mine": "kept"}
    assert private.read_text().count("memCheck") == 1


def test_own_settings_win(ours: Layout) -> None:
    (ours.azkaban / "conf").mkdir()
    (ours.azkaban / "conf/local.properties").write_text("azkaban.name=Ours\n")
    assert written(ours, SETTINGS, "2.5.0", "azkaban")["azkaban.name"] == "Ours"


def test_a_mail_server_that_takes_no_mail_is_refused(
    ours: Layout, setup: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with mailbox(answers={"MAIL": "550 who is that"}) as box:
        host = f"127.0.0.1:{box.port}"
        assert setup("--mail-host", host, "--java", str(shutil.which("java"))) == 2
    words = f"--mail-host {host}: no mail can be sent: azkaban@127.0.0.1 is refused as sender"
    assert words in capsys.readouterr().err
    assert not (ours.azkaban / "settings.json").exists()


def test_mail_that_is_not_in_ascii_is_refused_and_shows_no_letter_of_the_password() -> None:
    with mailbox(offers=("AUTH PLAIN",)) as box:
        known = Mail(host="127.0.0.1", port=box.port, sender="a@example.org", tls=False, user="u")
        assert trouble(known, "gr\u00fcn") == (
            "user, password or address has letters beyond ASCII, which cannot be sent"
        )


def test_mail_is_encrypted_unless_told_otherwise(ours: Layout) -> None:
    mail = Mail(host="mail.example.org", port=587, sender="a@example.org", user="u")
    (ours.azkaban / "mail.password").write_text("secret\n")
    settings = replace(SETTINGS, mail=mail)
    values = written(ours, settings, "2.5.0", "azkaban")
    assert values["mail.host"] == "mail.example.org"
    assert values["mail.password"] == "secret"
    [part] = settings.parts
    java = Java(Path("/java"), "17.0.1")
    command = launch.command(ours, java, program("2.5.0"), settings, part, python=Path("/python"))
    assert "-Dmail.smtp.port=587" in command
    assert "-Dmail.smtp.starttls.required=true" in command
    assert "-Dmail.smtp.ssl.checkserveridentity=true" in command
    assert "secret" not in " ".join(command)
    assert Settings.read(_saved(ours, settings)) == settings


def _saved(ours: Layout, settings: Settings) -> Path:
    path = ours.azkaban / "settings.json"
    settings.write(path)
    return path


def test_what_java_needs_for_later_releases(ours: Layout) -> None:
    [part] = SETTINGS.parts
    opened = "--add-opens=java.base/java.lang=ALL-UNNAMED"
    for version, release, expected in (
        ("4.0.0", "17.0.1", True),
        ("4.0.0", "1.8.0_412", False),
        ("2.5.0", "17.0.1", False),
    ):
        java = Java(Path("/java"), release)
        command = launch.command(
            ours, java, program(version), SETTINGS, part, python=Path("/python")
        )
        assert (opened in command) is expected


@pytest.mark.parametrize(
    ("release", "expected"),
    [("1.8.0_45", False), ("1.8.0_92", True), ("11.0.2", True), ("25", True)],
)
def test_a_java_that_can_ends_when_it_is_out_of_memory(
    ours: Layout, release: str, expected: bool
) -> None:
    [part] = SETTINGS.parts
    java = Java(Path("/java"), release)
    command = launch.command(ours, java, program("2.5.0"), SETTINGS, part, python=Path("/python"))
    assert ("-XX:+ExitOnOutOfMemoryError" in command) is expected


def test_what_is_not_asked_for_stays() -> None:
    first = choose(Wanted(profile="server", executors=3, heap="2g", timezone="UTC"), None)
    assert len(first.more_executors) == 2
    assert len({first.port, first.executor_port, *first.more_executors}) == 4
    again = choose(Wanted(), first)
    assert again == first
    assert choose(Wanted(executors=1), first).more_executors == ()
    schema.require_executors(program("3.0.0"), first)
    with pytest.raises(UsageError, match=r"--executors 3: Azkaban 2\.5\.0 has one executor"):
        schema.require_executors(program("2.5.0"), first)


# What is given is looked at before any of it is kept


@pytest.fixture
def kept(ours: Layout) -> Path:
    """Settings of a server that was up, and a Java that was named."""
    path = ours.azkaban / "settings.json"
    replace(SETTINGS, host="build7", port=free_port("127.0.0.1", 0)).write(path)
    (ours.prefix / "java.choice").write_text("private\n")
    (ours.azkaban / "mail.password").write_text("before\n")
    (ours.azkaban / "conf").mkdir()
    return path


@pytest.mark.parametrize(
    ("arguments", "own", "words"),
    [
        (["--tls", "--host", "my_host9"], "", "--host my_host9: TLS allows letters, digits and hy"),
        (["--listen", "192.0.2.7"], "", "--listen 192.0.2.7: this machine does not have that"),
        (["--host", "a..b"], "", "--host a..b: there is nothing where a part"),
        (["--host", "x" * 64], "", "has 64 characters, and at most 63 are allowed"),
        (["--host", "10.20"], "", "its last part is a number"),
        (["--heap", "900000g"], "", "does not start with -Xmx900000g (--heap): "),
        (
            ["--heap", "900000m"],
            "",
            "--heap 900000m: this machine, or this account's share of it, has ",
        ),
        (["--port", "9000"], "jetty.port=9001", "jetty.port=9001: choose it with python3 -m setup"),
        ([], "executor.port=9", "executor.port=9: set-up chooses a free one, and take the line"),
        ([], "jetty.use.ssl=true", "jetty.use.ssl=true: choose it with python3 -m setup up --tls"),
        ([], "default.timezone.id=Mars/Base", "default.timezone.id='Mars/Base': no such time zone"),
        ([], "portguard.upload=1 GB", "portguard.upload=1 GB: expected a whole number"),
        ([], "a=\\u12", "local.properties cannot be read"),
        ([], b"name=\xff", "local.properties cannot be read"),
        (["--tls"], "", "is for other.example, not for build7"),
    ],
)
def test_what_is_refused_leaves_what_was_kept(
    setup: Callable[..., int],
    ours: Layout,
    kept: Path,
    tmp_path: Path,
    arguments: list[str],
    own: str | bytes,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    company = Company(tmp_path)
    certificates = Certificates(ours)
    leaf = company.answer(certificates.csr(["other.example"], "ec"))
    certificates.import_answer([company.write("a", leaf, company.issuer, company.root)])
    if own:
        content = own if isinstance(own, bytes) else own.encode()
        (ours.azkaban / "conf/local.properties").write_bytes(content)
    secret = tmp_path / "secret"
    secret.write_text("after\n")
    mail = ["--mail-host", "mail", "--mail-user", "me", "--mail-password-file", str(secret)]
    before = {path: path.read_bytes() for path in ours.prefix.rglob("*") if path.is_file()}
    assert setup(*arguments, *mail, "--java", str(shutil.which("java"))) in (2, 3)
    assert words in capsys.readouterr().err
    after = {path: path.read_bytes() for path in before}
    assert after == before


@pytest.mark.parametrize(
    ("name", "tls", "host"),
    [
        ("my_host9", True, "localhost"),
        ("my_host9", False, "my_host9"),
        ("(none)", False, "localhost"),
        ("x" * 64, True, "localhost"),
        ("1234", True, "localhost"),
        ("build7.example.org.", True, "build7.example.org"),
        ("bücher", True, "xn--bcher-kva"),
        ("Build7", True, "Build7"),
    ],
)
def test_a_name_that_clients_cannot_use_gives_way(
    name: str,
    host: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    tls: bool,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: name)
    settings = choose(Wanted(tls=tls), None)
    assert (settings.host, settings.address.startswith("127.")) == (host, True)
    assert ("--host NAME gives it another name" in capsys.readouterr().err) is (host == "localhost")
    assert choose(Wanted(tls=tls, host="Jobs.example"), None).host == "Jobs.example"
    monkeypatch.setattr("socket.getfqdn", lambda: name)
    if host == "localhost":
        with pytest.raises(UsageError, match="--host NAME"):
            choose(Wanted(tls=tls, listen="0.0.0.0"), None)


@pytest.mark.parametrize("text", ["", "[]", "null", '"a"', "{", '{"host": 1}', '{"mail": 3}'])
def test_settings_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(SetupError, match=r"settings\.json cannot be read .*history are kept"):
        Settings.read(path)


def test_an_earlier_name_gives_way_when_tls_is_asked_for() -> None:
    old = replace(SETTINGS, host="my_host9")
    assert choose(Wanted(), old).host == "my_host9"
    assert choose(Wanted(tls=True), old).host == "localhost"


def test_users_that_are_no_xml(
    setup: Callable[..., int], kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = kept.parent / "conf/azkaban-users.xml"
    users.write_text('<azkaban-users><user username="me></azkaban-users>')
    assert setup("--java", str(shutil.which("java"))) == 2
    assert f"{users} is not XML: " in capsys.readouterr().err
