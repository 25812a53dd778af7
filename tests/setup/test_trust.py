"""Folders whose programs another account could exchange are refused, and all others are not."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from setup import cli, downloads, environment, java, trust
from setup.azkaban import distribution, launch
from setup.errors import SetupError
from setup.layout import CHECKOUT, Layout
from setup.mysql import program
from setup.python.pack import pack

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = 54321  # an account that is not there


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[str]], None]:
    """Say what the group of this account's files is called, and who else is in it."""

    def choose(name: str, members: list[str]) -> None:
        found = SimpleNamespace(gr_name=name, gr_mem=members)
        monkeypatch.setattr(grp, "getgrgid", lambda _: found)

    return choose


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an account to which all files of these tests are another's."""
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    if not os.getuid():  # whose files are trusted: have the tests' be those of an account
        monkeypatch.setattr(os, "lstat", _given_away(os.lstat))


def _given_away(real: Callable[..., os.stat_result]) -> Callable[..., object]:
    def lstat(path: Path) -> object:
        found = real(path)
        if "pytest-of-" not in str(path):
            return found
        fields = {name: getattr(found, name) for name in ("st_mode", "st_gid")}
        return SimpleNamespace(**fields, st_uid=OTHER - 1)

    return lstat


def test_ones_own_folder_and_one_that_is_not_there_are_good(home: Path) -> None:
    assert trust.trouble(home) == ""
    assert trust.trouble(home / "a/b") == ""
    assert trust.trouble(Path("/tmp/azk-that-is-not-there")) == ""  # noqa: S108 (sticky)


def test_the_folder_of_another_account_is_refused_with_everything_below(
    home: Path, another: None
) -> None:
    for path in (home, home / "not/there", home / ".." / home.name):
        assert "belongs to the account" in trust.trouble(path)


def test_an_account_that_is_trusted_like_root_is_not_refused(
    home: Path, another: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = OTHER - 1 if not os.getuid() else os.getuid()
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    monkeypatch.setenv("AZK_TRUST", f"somebody, {name}")
    assert trust.trouble(home) == ""


@pytest.mark.parametrize("level", ["home", "home/p", "home/p/env/bin"])
def test_a_folder_on_the_way_that_everybody_may_change(tmp_path: Path, level: str) -> None:
    folder = tmp_path / "home/p/env/bin"
    folder.mkdir(parents=True)
    (tmp_path / level).chmod(0o777)
    assert f"{tmp_path / level} may be changed by everybody (chmod " in trust.trouble(folder)
    (tmp_path / level).chmod(0o755)
    assert trust.trouble(folder) == ""


def test_an_open_folder_is_good_above_where_it_is_sticky_and_never_itself(home: Path) -> None:
    home.chmod(0o1777)
    (home / "p").mkdir()
    assert trust.trouble(home / "p") == ""
    assert trust.trouble(home / "new") == ""
    assert "everybody" in trust.trouble(home)


def test_in_a_sticky_folder_the_child_of_another_account_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o1777)
    (home / "p").mkdir()
    real = os.lstat

    def lstat(path: Path) -> object:
        found = real(path)
        if Path(path) != home / "p":
            return found
        return SimpleNamespace(st_mode=found.st_mode, st_gid=found.st_gid, st_uid=OTHER)

    monkeypatch.setattr(os, "lstat", lstat)
    for below in ("p", "p/q"):
        assert f"{home}/p belongs to the account {OTHER}" in trust.trouble(home / below)
    (home / "p").rmdir()
    (home / "p").symlink_to("/usr")
    assert f"{home}/p belongs to the account {OTHER}" in trust.trouble(home / "p")


def test_a_group_of_ones_own_may_write_and_one_with_others_may_not(
    home: Path, groups: Callable[[str, list[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o775)
    user = pwd.getpwuid(os.geteuid()).pw_name
    for name, members in ((user, []), (user, [user, "root"])):
        groups(name, members)
        assert trust.trouble(home) == ""
    groups("lab", ["bob"])
    found = trust.trouble(home / "p")
    assert f"{home} may be changed by the group lab (chmod g-w {home} ends that)" in found
    monkeypatch.setenv("AZK_TRUST", "lab")
    assert trust.trouble(home) == ""
    monkeypatch.setenv("AZK_TRUST", "bob")
    groups(user, ["bob"])
    assert trust.trouble(home) == ""


def test_a_main_group_whose_members_cannot_be_listed_is_shared(
    home: Path, groups: Callable[[str, list[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o775)
    groups("domain users", [])
    monkeypatch.setattr(os, "getegid", lambda: home.stat().st_gid or 7)
    if home.stat().st_gid:
        assert "the group domain users" in trust.trouble(home)


def test_a_main_group_of_two_accounts_is_shared(
    home: Path, groups: Callable[[str, list[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o775)
    groups(pwd.getpwuid(os.geteuid()).pw_name, [])
    bob = SimpleNamespace(pw_name="bob", pw_gid=home.stat().st_gid, pw_uid=OTHER)
    monkeypatch.setattr(pwd, "getpwall", lambda: [bob])
    assert "may be changed by the group" in trust.trouble(home)


def test_links_are_followed_and_each_of_their_folders_counts(home: Path) -> None:
    (home / "open").mkdir()
    (home / "closed/p").mkdir(parents=True)
    for link, target in (("a", home / "closed"), ("b", Path("open/../closed")), ("c", Path("a"))):
        (home / link).symlink_to(target)
    (home / "open/link").symlink_to(home / "closed/p")
    assert trust.trouble(home / "open/link") == ""
    (home / "open").chmod(0o777)
    assert f"{home}/open may be changed" in trust.trouble(home / "open/link")
    for link in "abc":  # who may write in open cannot change what .. is
        assert trust.trouble(home / link / "p") == ""
    (home / "closed").chmod(0o777)
    assert f"{home}/closed may be changed" in trust.trouble(home / "c/p/new")
    (home / "d").symlink_to("d")
    assert "circle" in trust.trouble(home / "d/p")


@pytest.mark.parametrize("name", ["access", "default"])
def test_an_access_list_that_lets_another_write(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acl(rights: int, mask: int) -> bytes:
        none = 0xFFFFFFFF
        entries = [
            (1, 7, none),
            (2, rights, OTHER),
            (4, 5, none),
            (0x10, mask, none),
            (32, 5, none),
        ]
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

    given: dict[str, bytes] = {}

    def getxattr(path: Path, asked: str, **_: object) -> bytes:
        if Path(path) != home or asked not in given:
            raise OSError
        return given[asked]

    monkeypatch.setattr(os, "getxattr", getxattr)
    for rights, mask, good in ((7, 7, False), (7, 5, True), (5, 7, True)):
        given[f"system.posix_acl_{name}"] = acl(rights, mask)
        found = trust.trouble(home)
        assert (found == "") is good, found
        if not good:
            assert f"may be changed by the account {OTHER} (setfacl" in found


def test_a_real_access_list_is_read(home: Path) -> None:
    entries = [(1, 7, 2**32 - 1), (2, 7, OTHER), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1),
               (32, 5, 2**32 - 1)]  # fmt: skip
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(home, "system.posix_acl_access", value)
    except OSError:  # a disk without access lists
        assert trust.trouble(home) == ""
        return
    assert f"the account {OTHER}" in trust.trouble(home)


# The same by a second account of the machine, where the tests may become one.
_AS_ANOTHER = """
import os, sys
from pathlib import Path
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
from setup import trust
print(trust.trouble(Path(sys.argv[1])))
"""


def test_a_second_account_of_this_machine(tmp_path: Path) -> None:
    if os.geteuid():  # CI is root; elsewhere this account itself is looked at
        assert trust.trouble(tmp_path) == ""
        return
    folder = Path(f"/tmp/azk-trust-{os.getpid()}")  # noqa: S108 (a folder that both reach)
    folder.mkdir(mode=0o755)
    try:
        os.chown(folder, OTHER, OTHER)
        for account, good in ((OTHER, True), (OTHER - 1, False)):
            command = [
                sys.executable,
                "-c",
                textwrap.dedent(_AS_ANOTHER),
                str(folder),
                str(account),
            ]
            seen = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
            assert (seen.stdout.strip() == "") is good, seen.stdout
    finally:
        folder.rmdir()


# Where it is asked


@pytest.mark.parametrize("place", ["", "env/bin", "azkaban/program", "mysql/program"])
def test_a_prefix_is_refused_before_anything_is_written(home: Path, place: str) -> None:
    layout = Layout(home / "p", home / "cache")
    layout.create(need=0)
    folder = layout.prefix / place
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    before = sorted(layout.prefix.rglob("*"))
    with pytest.raises(SetupError, match=r"prefix .* may be changed by everybody .*--prefix"):
        layout.create(need=0)
    assert sorted(layout.prefix.rglob("*")) == before


def test_no_command_runs_what_lies_in_an_open_prefix(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(home / "p", home / "p/cache")
    layout.create(need=0)
    program = layout.env / "bin/python"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntouch {home}/taken\n")
    program.chmod(0o755)
    home.chmod(0o777)
    for command in (["status"], ["stop"], ["doctor"], ["env"], ["azkaban", "use"]):
        assert cli.main([*command, "--prefix", str(layout.prefix)]) == 3
        assert f"{home} may be changed by everybody" in capsys.readouterr().err
    assert not (home / "taken").exists()


def test_a_cache_that_others_may_change_is_refused(home: Path) -> None:
    (home / "cache").mkdir()
    (home / "cache").chmod(0o777)
    with pytest.raises(SetupError, match=r"cache .* everybody .*AZK_CACHE"):
        Layout(home / "p", home / "cache").create(need=0)
    assert not (home / "p").exists()


def _java(folder: Path) -> Path:
    program = folder / "bin/java"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    program.chmod(0o755)
    return program


def test_a_java_that_others_may_change_is_not_used(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = Layout(home / "p", home / "p/cache")
    program = _java(home / "jdk")
    monkeypatch.setenv("JAVA_HOME", str(home / "jdk"))
    assert next(java.candidates(layout)).program == program
    (home / "jdk").chmod(0o777)
    assert program not in [found.program for found in java.candidates(layout)]
    assert f"{program} is not used: {home}/jdk may be changed" in capsys.readouterr().err
    with pytest.raises(SetupError, match=r"--java .* everybody"):
        java.ensure(layout, str(program))


def test_a_java_whose_libraries_others_may_change_is_not_used(home: Path) -> None:
    program = _java(home / "jdk")
    (home / "jdk/lib").mkdir()
    (home / "jdk/lib").chmod(0o777)
    with pytest.raises(SetupError, match=rf"--java {home}/jdk/lib.* everybody"):
        java.ensure(Layout(home / "p", home / "p/cache"), str(program))


def test_an_archive_that_others_may_exchange_is_taken_with_its_hash_alone(home: Path) -> None:
    archive = home / "mysql.tar.gz"
    archive.write_bytes(b"whole")
    known = hashlib.sha256(b"whole").hexdigest()

    def named(expected: str) -> Path:
        return downloads.named("--tarball", str(archive), expected, home / "cache", lambda _: None)

    assert named("") == archive
    archive.chmod(0o666)
    with pytest.raises(SetupError, match=r"--tarball .* everybody .*--sha256"):
        named("")
    copy = named(known)  # of what was checked, which nobody can exchange any more
    assert copy.parent == home / "cache"
    assert copy.read_bytes() == b"whole"
    with pytest.raises(SetupError, match="SHA-256"):
        named("0" * 64)


def test_a_distribution_that_others_may_exchange_is_refused(home: Path) -> None:
    folder = home / "azkaban"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(SetupError, match=r"--distribution .* everybody .*copy it"):
        distribution.read([str(folder)], home, lambda _: None)


def test_an_installed_mysql_in_which_others_may_write_is_refused(home: Path) -> None:
    base = home / "mysql"
    for path, text in (
        ("bin/mysqld", "#!/bin/sh\necho 'mysqld  Ver 5.7.29 for Linux'\n"),
        ("share/english/errmsg.sys", ""),
    ):
        (base / path).parent.mkdir(parents=True)
        (base / path).write_text(text)
    (base / "bin/mysqld").chmod(0o755)
    (base / "bin").chmod(0o777)
    with pytest.raises(SetupError, match=rf"--basedir .*{base}/bin may be changed by everybody"):
        program.install(
            program.ServerSource("basedir", str(base)), home, home, lambda _: None, lambda _: None
        )


def test_a_folder_for_temporary_files_that_others_may_change_is_not_used(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(home))
    assert environment.local()["TMPDIR"] == str(home)
    home.chmod(0o1777)  # as /tmp is
    assert environment.local()["TMPDIR"] == str(home)
    home.chmod(0o777)
    assert "TMPDIR" not in environment.local()


def test_accounts_that_are_trusted_are_known_by_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZK_TRUST", "root, 1234,no-such-account")
    assert trust.accounts() == [0, 1234]
    assert launch._trusted() == ("-Dportguard.trusted=0,1234",)
    monkeypatch.delenv("AZK_TRUST")
    assert launch._trusted() == ()


def test_what_is_packed_is_not_run_in_a_folder_that_others_may_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    from setup.python import pack as module

    real = module._check

    def check(draft: Path, about: object, elsewhere: Path, *rest: object) -> None:
        seen.append(str(elsewhere))
        real(draft, about, elsewhere, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_check", check)
    environment = home / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    for mode, inside in ((0o777, False), (0o755, True)):
        (home / "out").mkdir(exist_ok=True)
        (home / "out").chmod(mode)
        packed = pack(environment / "bin/python", home / "out/x.tar.gz", kind="venv")
        assert [path.name for path in (home / "out").iterdir()] == ["x.tar.gz"]
        assert packed.path.stat().st_size == packed.size
        assert seen[-1].startswith(f"{home}/out/") is inside
