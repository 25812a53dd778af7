"""The users' file without a server: what a change adds and cuts, and what it leaves alone."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
from contextlib import chdir
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from setup import cli
from setup.azkaban import Settings, config, passwords
from setup.azkaban.passwords import matches
from setup.azkaban.program import Program
from setup.azkaban.users import User, Users
from setup.errors import UsageError
from setup.layout import CHECKOUT, Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BY_HAND = """\
<?xml version="1.0" encoding="{encoding}"?>
<!-- ours, since 2014 -->
<azkaban-users>
  <user username='me' roles = "admin"
        password="se>cret &amp; more" note="kept"/> <!-- the boss -->
  <user username="aß" password="x" groups="night, day"></user>
  <group name="night" roles="deploy"/>
  <role name="admin" permissions="ADMIN"/>
  <role name="deploy" permissions="READ, EXECUTE"/>
</azkaban-users>
<!-- the end -->
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_ITERATIONS", 10)


@pytest.fixture
def ours(tmp_path: Path) -> Layout:
    """An installation that was started once, with a file that somebody has edited."""
    made = Layout(tmp_path / "p", tmp_path / "cache")
    made.create(need=0)
    settings = Settings(host="h", address="127.0.0.1", port=1, executor_port=2, user="me")
    (made.azkaban / "conf").mkdir(parents=True)
    settings.write(made.azkaban / "settings.json")
    (made.azkaban / "admin.password").write_text("se>cret & more\n")
    (made.azkaban / "conf" / "azkaban-users.xml").write_text(BY_HAND.format(encoding="utf-8"))
    return made


@pytest.fixture
def file(ours: Layout) -> Path:
    return ours.azkaban / "conf" / "azkaban-users.xml"


@pytest.fixture
def users(ours: Layout, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run `setup users` in this process; standard input is no terminal."""
    monkeypatch.setattr(Program, "read", lambda _: Program("2.5.0", stock=True, libraries={}))
    monkeypatch.setattr(Program, "current", True)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    prefix = ["--prefix", str(ours.prefix)]
    return lambda *arguments: cli.main(["users", *arguments, *prefix])


def entry(file: Path, name: str) -> dict[str, str]:
    """The attributes of a user, as another reader of XML finds them."""
    found = [user for user in ET.fromstring(file.read_bytes()) if user.get("username") == name]
    assert len(found) == 1
    return dict(found[0].attrib)


def test_add_changes_nothing_else(users: Callable[..., int], file: Path) -> None:
    before = file.read_text()
    assert users("add", "ada", "--role", "read", "--group", "night", "--password-file", "-") == 0
    after = file.read_text()
    new = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line for line in after.splitlines() if line not in new] == before.splitlines()
    assert new[0] == '  <role name="read" permissions="READ"/>'
    assert len(new) == 2
    found = entry(file, "ada")
    assert matches("correct horse", found.pop("password"))
    assert found == {"username": "ada", "roles": "read", "groups": "night"}
    assert "correct horse" not in after
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_password_alone_is_replaced_and_setup_logs_in_with_it(
    users: Callable[..., int], file: Path, ours: Layout
) -> None:
    before = file.read_text()
    assert users("passwd", "me", "--password-file", "-") == 0
    stored = entry(file, "me")["password"]
    assert matches("correct horse", stored)
    assert file.read_text() == before.replace("se>cret &amp; more", stored)
    secret = ours.azkaban / "admin.password"
    assert secret.read_text() == "correct horse\n"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_remove_cuts_the_line(
    users: Callable[..., int], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_text().splitlines()
    assert users("remove", "aß") == 0
    assert file.read_text().splitlines() == [line for line in before if "aß" not in line]
    assert "Projects, permissions and schedules stay" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["o'b", '"', "<&>", "]]>", "ä😀", "a b", "=", "x,y", "%41", "-"])
def test_names_that_xml_must_quote(file: Path, name: str) -> None:
    found = Users(file)
    found.add(User(name, ""), passwords.hashed(name))
    found.write()
    assert matches(name, entry(file, name)["password"])
    again = Users(file)
    again.remove(name)
    again.write()
    assert file.read_text() == BY_HAND.format(encoding="utf-8")


def test_a_file_in_another_encoding(file: Path) -> None:
    file.write_text(BY_HAND.format(encoding="iso-8859-1"), encoding="iso-8859-1")
    found = Users(file)
    assert [user.name for user in found.all] == ["me", "aß"]
    found.add(User("ö€", ""), "x" * 8)
    found.write()
    assert 'username="ö&#8364;"' in file.read_text(encoding="iso-8859-1")
    assert entry(file, "ö€")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff<a>\r\n\t<user username='me' password='x' roles='admin'/>\r\n\t{new}</a>\r\n",
        "<a><user username='me' password='x' roles='admin'/>{new}</a>",
        "<a>\n<!-- <user username='no' password='p'/> --><user\n password='x'\n"
        " username='me password=\"y\"'>text /></user\n>\n{new}</a>",
    ],
)
def test_files_that_people_write(file: Path, text: str) -> None:
    file.write_bytes(text.replace("{new}", "").encode())
    found = Users(file)
    name = found.all[0].name
    assert len(found.all) == 1
    found.set_password(name, "another")
    found.add(User("ada", "", groups=("night",)), "hash")
    found.write()
    assert entry(file, name)["password"] == "another"
    assert entry(file, "ada")["groups"] == "night"
    found.remove("ada")
    found.set_password(name, "x")
    found.write()
    left = file.read_bytes().decode().replace('"x"', "'x'")
    assert left.replace("\n", "") == text.replace("{new}", "").replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ME"], "'ME': there is a user me already"),
        (["aSS"], "'aSS': there is a user aß already"),
        ([""], "user '': is empty"),
        ([" ada"], "user ' ada': is empty, begins or ends with a space"),
        (["a\tb"], r"user 'a\tb': is empty, begins or ends with a space, or has a control"),
        (["a\ufffe"], "has a control character"),
        (["a" * 65], "has 65 characters, 64 are the most"),
        (["ada", "--role", "root"], "--role root: expected one of admin, deploy, read, user"),
        (["ada", "--group", "a,b"], "groups 'a,b': has a comma"),
        (["ada"], "there is no terminal on which to ask for the password"),
        (["ada", "--password-file", "/none"], "--password-file /none: cannot be read"),
    ],
)
def test_what_cannot_be_added(
    users: Callable[..., int],
    file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    before = file.read_bytes()
    assert users("add", *arguments) == 2
    assert words in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("short", "the password has 5 characters, 8 are the least"),
        (" correct horse", "begins or ends with a space"),
        ("correct\thorse", "has a control character"),
        ("", "--password-file -: its first line is empty"),
    ],
)
def test_passwords_that_no_login_could_send(
    users: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    words: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))
    assert users("add", "ada", "--password-file", "-") == 2
    assert words in capsys.readouterr().err


def test_a_password_is_made(
    users: Callable[..., int], file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "ada.password"
    before = os.umask(0)
    try:
        assert users("add", "ada", "--generate", str(target)) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert matches(target.read_text().strip(), entry(file, "ada")["password"])
    assert target.read_text().strip() not in "".join(capsys.readouterr())
    assert users("add", "ben", "--generate", str(target)) == 2  # it is ada's
    assert "cannot be made (File exists)" in capsys.readouterr().err
    assert users("add", "ben", "--generate", "-") == 0
    assert matches(capsys.readouterr().out.strip(), entry(file, "ben")["password"])


def test_a_password_of_nobody_is_not_left(
    users: Callable[..., int], file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "ada.password"
    file.parent.chmod(0o500)
    try:
        assert users("add", "ada", "--generate", str(target)) != 0
    finally:
        file.parent.chmod(0o700)
    assert not target.exists()
    assert users("add", "ada", "--generate", str(target)) == 0


@pytest.mark.parametrize(("again", "code"), [("correct horse", 0), ("correct house", 2)])
def test_the_password_is_asked_for_twice_on_a_terminal(again: str, code: int) -> None:
    program = (
        "import argparse; from setup.azkaban.passwords import chosen\n"
        "from setup.errors import UsageError\n"
        "try:\n"
        "    with chosen(argparse.Namespace(generate=None, password_file=None), 'ada') as it:\n"
        "        print(it)\n"
        "except UsageError as error: print(error); raise SystemExit(2)"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=CHECKOUT,
        text=True,
        start_new_session=True,  # without this terminal, so that it is asked on its own input
    )
    os.close(theirs)
    shown = b""
    for prompt, line in ((b"password of ada: ", "correct horse"), (b"again: ", again)):
        while not shown.endswith(prompt):  # what is typed before it is thrown away
            shown += os.read(ours, 100)
        os.write(ours, f"{line}\n".encode())
    out, _ = child.communicate(timeout=60)
    assert b"correct" not in shown
    os.close(ours)
    assert child.returncode == code
    assert out.strip() == ("correct horse" if code == 0 else "the two passwords differ; nothing "
                           "was changed")  # fmt: skip


def test_somebody_can_always_undo(
    users: Callable[..., int], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_bytes()
    assert users("remove", "me") == 2
    assert "me: set-up and azk log in as this user" in capsys.readouterr().err
    assert users("remove", "nobody") == 2
    assert "'nobody': no such user; " in capsys.readouterr().err
    assert file.read_bytes() == before
    found = Users(file)
    with pytest.raises(UsageError, match="'me' is the only admin"):
        found.remove("me")
    found.add(User("boss", "", groups=("chiefs",)), "x")
    assert found.admins == ["me"]  # that group gives no role
    found.add(User("boss 2", "", ("deploy", "admin")), "x")
    found.remove("me")
    assert found.admins == ["boss 2"]


def test_list(users: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert users("add", "ada", "--proxy", "robot", "--role", "user", "--password-file", "-") == 0
    assert users("list", "--json") == 0
    shown = capsys.readouterr()
    found = {user["name"]: user for user in json.loads(shown.out)}
    assert [user["admin"] for user in found.values()] == [True, False, False]
    assert found["aß"]["groups"] == ["night", "day"]
    assert found["ada"] | {"password": "hashed", "roles": [], "proxies": ["robot"]} == found["ada"]
    assert users("list") == 0
    table = capsys.readouterr().out.splitlines()
    assert re.split(r"\s{2,}", table[1]) == ["me", "admin", "-", "-", "plain text"]
    assert "horse" not in "".join(table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<azkaban-users>\n<user username='a'/></azkaban-users>", "line 2: user without password"),
        ("<azkaban-users/>", "azkaban-users is empty"),
        ("<azkaban-users>", "is not XML"),
        ("", "is not XML"),
        (
            "<a><user username='u' password='pbkdf2-sha256$10$x'/></a>",
            "user u: the password's hash is damaged",
        ),
        (
            "<!DOCTYPE a [<!ENTITY u \"<user username='u' password='p'/>\">]><a>&u;</a>",
            "user is empty, or made by an entity",
        ),
    ],
)
def test_files_that_the_server_could_not_read(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=re.escape(words)):
        Users(file)


def test_the_commands_of_the_page_are_commands(users: Callable[..., int], tmp_path: Path) -> None:
    page = (CHECKOUT / "docs/how-to/users.md").read_text()
    (tmp_path / "new.txt").write_text("another one\n")
    lines = re.findall(r"^\$ python3 -m setup users ([^#\n]*)", page, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["add", "add", "list", "passwd", "remove"]
    with chdir(tmp_path):
        for number, line in enumerate(lines):
            asked = ("--password-file", "-") if number == 0 else ()  # there is no terminal
            assert users(*line.split(), *asked) == 0


def test_users_that_are_kept_elsewhere(
    users: Callable[..., int], ours: Layout, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ours.azkaban / "conf" / "local.properties"
    other = ours.azkaban / "other.xml"
    other.write_bytes(file.read_bytes())
    for place in (str(other), "other.xml"):
        own.write_text(f"user.manager.xml.file={place}\n")
        assert users("list") == 0
    assert users("add", "ada", "--password-file", "-") == 0
    assert entry(other, "ada")
    own.write_text("user.manager.class=com.example.Ldap\n")
    assert users("list") == 2
    assert f"{own}: user.manager.class keeps the users elsewhere" in capsys.readouterr().err


def test_a_server_of_another_release(
    users: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Program, "current", False)
    assert users("passwd", "me", "--password-file", "-") == 2
    assert "is of another release; run python3 -m setup update first" in capsys.readouterr().err


def test_a_link_stays_a_link(users: Callable[..., int], file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "users.xml"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert users("add", "ada", "--password-file", "-") == 0
    assert file.is_symlink()
    assert entry(elsewhere, "ada")


def test_a_start_hashes_what_an_earlier_release_wrote(ours: Layout, file: Path) -> None:
    (ours.azkaban / "program" / "run-files").mkdir(parents=True)
    before = file.read_text()
    settings = Settings.read(ours.azkaban / "settings.json")
    program = Program("2.5.0", stock=True, libraries={})
    for _ in range(2):
        config.write(ours, settings, program, ours.python)
        stored = entry(file, "me")["password"]
        assert matches("se>cret & more", stored)
        assert file.read_text() == before.replace("se>cret &amp; more", stored)
        before = file.read_text()
