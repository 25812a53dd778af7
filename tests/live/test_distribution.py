"""A server from archives of one's own: settings, scripts, upgrade, an upgrade that fails, rollback.

The archives hold the real 2.5.0 in the layout of Azkaban's build; tests/distribution takes real
ones of 3.x and 4.x.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from typing import TYPE_CHECKING

import javaproperties
import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from azkaban_client import Client, collect
from setup import cli, java
from setup.azkaban import Mail, Wanted, config, program, timezone, upgrade
from setup.errors import ServerError, SetupError, UsageError
from setup.layout import CHECKOUT
from setup.life.process import Process
from setup.python import layers
from tests.live import archives
from tests.live.conftest import LiveAzkaban
from tests.mailbox import Mailbox, mailbox
from tests.setup.corporate import Proxy
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from setup.layout import Layout

ZONE = "Pacific/Auckland"


@pytest.fixture(scope="module")
def mail() -> Iterator[Mailbox]:
    """A mail server that offers no encryption."""
    with mailbox() as server:
        yield server


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, mail: Mailbox) -> Iterator[LiveAzkaban]:
    """A solo server from an archive, with every setting that it takes."""
    folder = tmp_path_factory.mktemp("own")
    wanted = Wanted(
        heap="768m",
        timezone=ZONE,
        mail=Mail(host="127.0.0.1", port=mail.port, sender="azkaban@example.org", tls=False),
    )
    server = LiveAzkaban(folder / "p", wanted, archive=[str(_archive(folder, "2.5.0"))])
    yield server
    server.stop()


def _archive(folder: Path, version: str) -> Path:
    path = folder / f"azkaban-solo-server-{version}.tar.gz"
    cache = LiveAzkaban.cache()
    return archives.write_tar(path, archives.members(cache, "solo", version))


def _client(live: LiveAzkaban) -> Client:
    return Client(live.url, auth=(live.username, live.password), address=live.address)


@pytest.fixture(scope="module")
def kept(live: LiveAzkaban, tmp_path_factory: pytest.TempPathFactory) -> int:
    """A project with a schedule and an execution that ended well; the execution."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "kept.job").write_text("type=command\ncommand=echo kept ${greeting}\n")
    (folder / "kept.properties").write_text("greeting=hello\n")
    (folder / "bad.job").write_text("type=command\ncommand=false\n")
    (folder / "slow.job").write_text("type=command\ncommand=sleep 4\n")
    (folder / "no.job").write_text("type=command\ncommand=false\n")
    (folder / "end.job").write_text("type=noop\ndependencies=no,slow\n")
    with _client(live) as client:
        client.create_project("kept", "stays")
        client.upload("kept", collect(folder).write(folder.parent / "kept.zip"))
        client.schedule("kept", "kept", at=datetime.now(UTC) + timedelta(days=2), every="1d")
        return client.wait(client.execute("kept", "kept")).execid


def _intact(live: LiveAzkaban, execid: int) -> None:
    with _client(live) as client:
        assert set(client.flows("kept")) == {"kept", "bad", "end"}
        assert client.execution(execid).succeeded
        assert "kept hello\n" in "".join(client.log(execid, "kept"))
        assert [schedule.flow for schedule in client.schedules("kept")] == ["kept"]


def _version(live: LiveAzkaban) -> str:
    [status] = live.server.statuses()
    assert status.state == "running"
    return status.version


def test_settings_of_the_notes(live: LiveAzkaban) -> None:
    home = live.server.home
    conf = javaproperties.loads((home / "conf/azkaban/azkaban.properties").read_text())
    assert conf["jetty.use.ssl"] == "false"
    assert conf["jetty.port"] == str(live.server.settings.port)
    assert conf["jetty.hostname"] == live.server.settings.host
    assert conf["azkaban.default.servlet.path"] == "/index"
    assert conf["web.resource.dir"] == str(home / "program/web")
    assert conf["default.timezone.id"] == ZONE
    assert {ZONE, "US/Eastern"} <= timezone.known_to((home / "program").rglob("*.jar"))
    assert (home / "program/web/js/azkaban/namespace.js").read_bytes() == b"// their own\n"
    process = live.server.running()["azkaban"]
    assert "-Xmx768m" in psutil.Process(process.pid).cmdline()
    log4j = javaproperties.loads((home / "conf/azkaban/log4j.properties").read_text())
    assert log4j["log4j.appender.file"] == "org.apache.log4j.RollingFileAppender"


def test_logs_are_in_the_time_zone(live: LiveAzkaban, kept: int) -> None:
    with _client(live) as client:
        assert re.search(r"\d\d:\d\d:\d\d NZ[DS]T ", "".join(client.log(kept, "kept")))


def test_a_failed_flow_is_told_by_mail(live: LiveAzkaban, kept: int, mail: Mailbox) -> None:
    """Once, although other jobs still ran when the first one failed, and with times to read."""
    mail.letters.clear()
    with _client(live) as client:
        told = {"failure_emails": ["ops@example.org"], "notify": "first"}
        execids = [client.execute("kept", flow, **told) for flow in ("end", "bad")]
        assert not any(client.wait(one).succeeded for one in execids)
    eventually(lambda: len(mail.letters) >= 2)
    letters = [message_from_string(one, policy=policy.default) for one in mail.letters]
    assert [(one["From"], one["To"]) for one in letters] == [
        ("azkaban@example.org", "ops@example.org")
    ] * 2
    bodies = [_text(one) for one in letters]
    for execid in execids:  # its pages have no TLS
        (body,) = [one for one in bodies if f'/executor?execid={execid}"' in one]
        assert re.search(rf"\"http://[^/\"]+/executor\?execid={execid}\"", body)
        assert re.search(r"Start Time</td><td>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d NZ[SD]T<", body)
    assert not any(command.upper().startswith("AUTH") for command in mail.commands)


def _text(letter: EmailMessage) -> str:
    parts = [part.get_content() for part in letter.walk() if part.get_content_maintype() == "text"]
    return "".join(parts)


def _script(
    live: LiveAzkaban, name: str, *arguments: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a script where this checkout cannot be found."""
    return subprocess.run(
        [str(live.server.home / name), *arguments],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **_root(), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _root() -> dict[str, str]:
    allowed = os.environ.get("AZK_ALLOW_ROOT")
    return {"AZK_ALLOW_ROOT": allowed} if allowed else {}


def _trusts(live: LiveAzkaban, company: Proxy) -> bool:
    """Tell whether the server was started with a company's authority among those it trusts."""
    listed = config.truststore(live.layout).read_bytes()
    return company.certificate.public_bytes(Encoding.DER) in listed


def test_scripts_work_without_the_project(live: LiveAzkaban, kept: int, tmp_path: Path) -> None:
    for name in ("start", "stop", "status", "use"):
        assert str(CHECKOUT) not in (live.server.home / name).read_text()
    before = live.server.running()["azkaban"]
    assert f"already running, {live.url} (pid {before.pid})" in _script(live, "start").stderr
    up = _script(live, "status")
    assert (up.returncode, up.stdout.split()[6:9]) == (0, ["azkaban", "running", str(before.pid)])
    stopped = _script(live, "stop")
    assert stopped.returncode == 0
    assert "stopping Azkaban: stopped" in stopped.stderr
    assert not before.alive()
    assert "Azkaban is not running" in _script(live, "stop").stderr
    down = _script(live, "status")
    assert (down.returncode, down.stdout.split()[6:8]) == (1, ["azkaban", "down"])
    assert _script(live, "use", "/index").returncode == 1
    elsewhere = {"LANG": "xx_XX.UTF-8", "LC_ALL": "xx_XX.UTF-8"}  # installed nowhere
    with Proxy(tmp_path) as company:
        extra = {"AZK_EXTRA_CA_CERTS": str(company.ca)}
        started = _script(live, "start", SECRET_TOKEN="do-not-pass-on", **elsewhere, **extra)
    assert started.returncode == 0, started.stderr
    assert _trusts(live, company)
    process = Process.read(live.server.pid_file())
    assert process is not None, "setup recognises what the script started"
    environ = psutil.Process(process.pid).environ()
    assert "SECRET_TOKEN" not in environ
    assert environ["LC_ALL"] == "C.UTF-8"
    assert _version(live) == "2.5.0"
    assert _script(live, "stop").returncode == 0
    assert _script(live, "start").returncode == 0  # as from cron
    assert _trusts(live, company)
    (live.layout.prefix / "extra-authorities.pem").unlink()  # other tests are not to trust it
    told = _script(live, "use").stdout
    assert live.url in told
    assert live.password not in told
    flows = json.loads(_script(live, "use", "/manager?ajax=fetchprojectflows&project=kept").stdout)
    assert {flow["flowId"] for flow in flows["flows"]} == {"kept", "bad", "end"}
    _intact(live, kept)


def test_script_shows_the_log_of_a_server_that_does_not_come_up(live: LiveAzkaban) -> None:
    live.stop()
    own = live.server.home / "conf/local.properties"
    own.write_text("database.type=h3\n")
    try:
        failed = _script(live, "start")
    finally:
        own.unlink()
    assert failed.returncode == 5
    assert "azkaban.log" in failed.stderr
    assert "AzkabanDatabaseUpdater" in failed.stderr
    assert _script(live, "start").returncode == 0
    assert _version(live) == "2.5.0"


def test_another_version_needs_an_upgrade(live: LiveAzkaban, tmp_path: Path) -> None:
    archive = _archive(tmp_path, "2.5.1")
    found = java.ensure(live.layout)
    with pytest.raises(UsageError, match=r"the server runs already.*setup azkaban upgrade"):
        live.server.up(found, Wanted(), [str(archive)])
    live.stop()
    with pytest.raises(UsageError, match=r"2\.5\.0 is installed here.*upgrade brings them to 2\.5"):
        live.server.up(found, Wanted(), [str(archive)])
    with pytest.raises(UsageError, match="--executors 2: the profile solo is one process"):
        live.server.install(found, Wanted(executors=2))
    live.start()


def test_a_jar_that_was_changed_is_not_started(live: LiveAzkaban) -> None:
    live.stop()
    jar = next((live.server.home / "program").rglob("joda-time-*.jar"))
    whole = jar.read_bytes()
    jar.write_bytes(whole + b"x")
    with pytest.raises(ServerError, match=r"joda-time-.*not what was installed"):
        live.start()
    jar.write_bytes(whole)
    live.start()


def _java(live: LiveAzkaban, name: str) -> java.Java:
    """Name the same Java by another path."""
    wrapper = live.layout.prefix / name
    wrapper.write_text(f'#!/bin/sh\nexec {java.ensure(live.layout, "auto").program} "$@"\n')
    wrapper.chmod(0o755)
    return java.ensure(live.layout, str(wrapper))


def test_upgrade_keeps_projects_history_and_schedules(
    live: LiveAzkaban, kept: int, tmp_path: Path
) -> None:
    other = _java(live, "java-of-2.5.1")
    upgrade.upgrade(live.server, other, [str(_archive(tmp_path, "2.5.1"))])
    assert java.kept(live.layout) == str(other.program)
    assert _version(live) == "2.5.1"
    _intact(live, kept)
    with _client(live) as client:
        assert client.wait(client.execute("kept", "kept")).succeeded


def test_upgrade_that_cannot_save_what_is_there_changes_nothing(
    live: LiveAzkaban, kept: int, tmp_path: Path
) -> None:
    backups = sorted((live.server.home / "backups").iterdir())
    pipe = live.server.home / "conf" / "pipe"
    os.mkfifo(pipe)  # which cannot be copied
    try:
        with pytest.raises(SetupError, match=r"could not be saved .*pipe.*nothing was changed"):
            upgrade.upgrade(
                live.server, java.ensure(live.layout), [str(_archive(tmp_path, "2.5.4"))]
            )
    finally:
        pipe.unlink()
    assert _version(live) == "2.5.1", "it runs again"
    _intact(live, kept)
    assert sorted((live.server.home / "backups").iterdir()) == backups
    assert not (live.server.home / "program.new").exists()


def _kill(
    live: LiveAzkaban, archive: Path, monkeypatch: pytest.MonkeyPatch, *, moved: bool
) -> None:
    """Begin an upgrade and end it as `kill -9` would, after or before the program has moved."""

    class _KilledError(BaseException):
        """Nothing is done after it."""

    def killed(*_: object, **__: object) -> None:
        raise _KilledError

    def place(layout: Layout, new: Path, kept: Path) -> None:
        if moved:
            program.folder(layout).rename(kept)
        killed(new)

    with monkeypatch.context() as changed:
        changed.setattr(program, "place", place)
        changed.setattr(upgrade, "_bring_back", killed)
        with pytest.raises(_KilledError):
            upgrade.upgrade(live.server, java.ensure(live.layout), [str(archive)])
    assert live.server.mixed.interrupted


def test_upgrade_that_fails_is_undone(
    live: LiveAzkaban, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it goes back first if the one before was killed."""
    members = archives.members(LiveAzkaban.cache(), "solo", "2.5.2")
    broken = {name: content for name, content in members.items() if "commons-dbutils" not in name}
    archive = archives.write_zip(tmp_path / "azkaban-solo-server-2.5.2.zip", broken)
    backups = sorted((live.server.home / "backups").iterdir())
    _kill(live, archive, monkeypatch, moved=False)
    assert upgrade.latest(live.server).folder not in backups, "it is not the upgrade before"
    kept_java = java.kept(live.layout)
    with pytest.raises(ServerError) as caught:
        upgrade.upgrade(live.server, _java(live, "java-of-2.5.2"), [str(archive)])
    assert java.kept(live.layout) == kept_java
    message = str(caught.value)
    assert "the upgrade from 2.5.1 to 2.5.2 failed and was undone" in message
    assert "dbutils" in message
    assert not live.server.mixed.interrupted
    assert _version(live) == "2.5.1"
    _intact(live, kept)
    assert sorted((live.server.home / "backups").iterdir()) == backups, "nothing of it is needed"


def test_upgrade_that_is_killed_half_way_is_not_started(
    live: LiveAzkaban, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kill(live, _archive(tmp_path, "2.5.3"), monkeypatch, moved=True)
    ways = r"interrupted half-way; run python3 -m setup azkaban upgrade as before.*azkaban rollback"
    with pytest.raises(ServerError, match=ways):
        live.start()
    saved = upgrade.latest(live.server)
    upgrade.rollback(live.server, saved)
    assert _version(live) == "2.5.1"
    _intact(live, kept)


def test_upgrade_backwards_is_refused(live: LiveAzkaban, kept: int, tmp_path: Path) -> None:
    before = live.server.running()
    with pytest.raises(UsageError, match=r"2\.5\.1 is installed: 2\.5\.0 is older"):
        upgrade.upgrade(live.server, java.ensure(live.layout), [str(_archive(tmp_path, "2.5.0"))])
    assert live.server.running() == before, "nothing was stopped"
    assert not (live.server.home / "program.new").exists()
    _intact(live, kept)


def test_rollback_goes_back_to_what_was_before(live: LiveAzkaban, kept: int) -> None:
    with _client(live) as client:
        later = client.history("kept", "kept").total
    saved = upgrade.latest(live.server)
    assert java.kept(live.layout) != "auto"
    upgrade.rollback(live.server, saved)
    assert java.kept(live.layout) == "auto", "as before the upgrade"
    assert _version(live) == saved.version
    _intact(live, kept)
    with _client(live) as client:
        assert client.history("kept", "kept").total <= later


def test_a_password_is_not_mailed_in_the_clear(
    live: LiveAzkaban, kept: int, mail: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The mail server offers no encryption, so it gets neither password nor letter."""
    secret = tmp_path / "secret"
    secret.write_text("swordfish\n")
    monkeypatch.setattr(layers, "enter", lambda *_, **__: None)
    live.stop()
    arguments = ["--mail-host", f"127.0.0.1:{mail.port}", "--mail-user", "azkaban", "--mail-tls"]
    arguments += ["--mail-password-file", str(secret), "--prefix", str(live.layout.prefix)]
    assert cli.main(["azkaban", "install", *arguments]) == 2  # it offers no encryption
    monkeypatch.setattr("setup.azkaban.mail.trouble", lambda *_: "")  # later, it no longer does
    assert cli.main(["azkaban", "install", *arguments]) == 0
    live.wanted = Wanted()
    live.start()
    process = live.server.running()["azkaban"]
    assert "swordfish" not in " ".join(psutil.Process(process.pid).cmdline())
    for path in live.server.home.rglob("*"):
        if path.is_file() and b"swordfish" in path.read_bytes():
            assert path.stat().st_mode & 0o077 == 0, path
    while mail.closed.acquire(blocking=False):  # by those that were before
        pass
    mail.commands.clear()
    mail.letters.clear()
    with _client(live) as client:
        client.wait(client.execute("kept", "bad", failure_emails=["ops@example.org"]))
    assert mail.closed.acquire(timeout=60)
    assert mail.letters == []
    assert not [c for c in mail.commands if not c.upper().startswith(("EHLO", "QUIT", "RSET"))]
