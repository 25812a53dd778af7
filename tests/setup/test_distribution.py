"""A user's archives: what is found in them, and what is refused."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from setup.azkaban import align, distribution, schema
from setup.azkaban.program import Program
from setup.errors import ServerError, SetupError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"solo": "azkaban-solo-server", "web": "azkaban-web-server", "exec": "azkaban-exec-server"}


def folder(place: Path, kind: str, version: str = "4.0.0") -> Path:
    """A distribution that was unpacked; its jars are empty."""
    root = place / f"azkaban-{kind}-{version}"
    root.mkdir(parents=True)
    if kind == "db":
        (root / f"create-all-sql-{version}.sql").write_text("CREATE TABLE a (b INT);\n")
        return root
    (root / "lib").mkdir()
    (root / "lib" / f"{NAMES[kind]}-{version}.jar").touch()
    if kind == "solo":  # it has the jars of the others, too
        for other in ("web", "exec"):
            (root / "lib" / f"{NAMES[other]}-{version}.jar").touch()
        (root / "sql").mkdir()
        (root / "sql" / "create.a.sql").touch()
    if kind != "exec":
        (root / "web").mkdir()
        (root / "web" / "favicon.ico").touch()
    return root


def pack(root: Path) -> Path:
    archive = root.with_name(f"{root.name}.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root, root.name)
    return archive


def read(tmp_path: Path, *sources: Path) -> distribution.Distribution:
    place = tmp_path / "unpacked"
    place.mkdir(exist_ok=True)
    return distribution.read([str(path) for path in sources], place, lambda _: None)


def tar_with(path: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, link
        archive.addfile(entry, io.BytesIO())
    return path


def test_a_solo_archive_can_be_every_part(tmp_path: Path) -> None:
    found = read(tmp_path, pack(folder(tmp_path, "solo")))
    assert found.version == "4.0.0"
    assert set(found.libraries) == {"azkaban", "web", "executor"}
    assert len(set(found.libraries.values())) == 1
    found.require("solo", "h2")
    found.require("server", "mysql")


def test_parts_come_from_their_own_archives(tmp_path: Path) -> None:
    sources = [folder(tmp_path, kind) for kind in ("web", "exec", "db")]
    found = read(tmp_path, pack(sources[0]), sources[1], pack(sources[2]))
    assert set(found.libraries) == {"web", "executor"}
    assert found.libraries["web"] != found.libraries["executor"]
    assert found.sql is not None
    assert (found.sql / "create-all-sql-4.0.0.sql").is_file()
    found.require("server", "mysql")
    with pytest.raises(UsageError, match=r"profile solo needs azkaban-solo-server-4\.0\.0"):
        found.require("solo", "h2")


def test_a_folder_of_archives_is_all_of_them(tmp_path: Path) -> None:
    place = tmp_path / "build"
    for kind in ("web", "exec", "db"):
        pack(folder(place, kind))
    assert set(read(tmp_path, place).libraries) == {"web", "executor"}


def test_a_folder_of_unpacked_ones_is_all_of_them(tmp_path: Path) -> None:
    for kind in ("web", "exec", "db"):
        folder(tmp_path / "build", kind)
    assert set(read(tmp_path, tmp_path / "build").libraries) == {"web", "executor"}


def test_zip(tmp_path: Path) -> None:
    root = folder(tmp_path, "solo")
    archive = tmp_path / "solo.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(root.rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
    assert "azkaban" in read(tmp_path, archive).libraries


@pytest.mark.parametrize("missing", ["db", "web", "exec"])
def test_server_without_a_part(tmp_path: Path, missing: str) -> None:
    kinds = [kind for kind in ("web", "exec", "db") if kind != missing]
    found = read(tmp_path, *(folder(tmp_path, kind) for kind in kinds))
    with pytest.raises(UsageError, match=f"azkaban-{missing}"):
        found.require("server", "mysql")


def test_mixed_versions(tmp_path: Path) -> None:
    sources = [folder(tmp_path, "web"), folder(tmp_path, "exec", "3.90.0")]
    with pytest.raises(UsageError, match=r"different versions.*is 4\.0\.0.*is 3\.90\.0"):
        read(tmp_path, *sources)


def test_the_same_part_twice(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="azkaban-web was given twice"):
        read(tmp_path, folder(tmp_path / "a", "web"), folder(tmp_path / "b", "web"))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.tar\.gz: there is no such file"):
        read(tmp_path, tmp_path / "nothing.tar.gz")


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis" / "lib").mkdir(parents=True)
    (tmp_path / "thesis" / "lib" / "azkaban-common-4.0.0.jar").touch()
    with pytest.raises(UsageError, match=r"thesis: this is no Azkaban distribution.*azkaban-db"):
        read(tmp_path, tmp_path / "thesis")
    with pytest.raises(UsageError, match="no Azkaban distribution"):
        read(tmp_path, tar_with(tmp_path / "x.tar.gz", "notes.txt"))


@pytest.mark.parametrize("content", [b"", b"this is no archive", b"\x1f\x8b\x08\x00broken"])
def test_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "azkaban.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"azkaban\.tar\.gz cannot be unpacked"):
        read(tmp_path, path)


def test_an_archive_that_was_cut(tmp_path: Path) -> None:
    root = folder(tmp_path, "solo")
    (root / "lib" / "big.jar").write_bytes(bytes(range(256)) * 4000)
    archive = pack(root)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(UsageError, match="cannot be unpacked"):
        read(tmp_path, archive)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/outside.txt", "a/../../outside.txt"])
def test_paths_that_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="outside of itself; nothing was unpacked"):
        read(tmp_path, tar_with(tmp_path / "x.tar.gz", name))
    shutil.rmtree(tmp_path / "unpacked")
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(name, "x")
    with pytest.raises(UsageError, match="outside of itself; nothing was unpacked"):
        read(tmp_path, archive)
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    path = tar_with(tmp_path / "x.tar.gz", "azkaban/lib/a.jar", kind, "/etc/passwd")
    with pytest.raises(UsageError, match=r"(link|no file|outside of itself); nothing"):
        read(tmp_path, path)


def test_a_link_in_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        entry = zipfile.ZipInfo("azkaban/lib")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(entry, "/etc")
    with pytest.raises(UsageError, match="'azkaban/lib' is a link; nothing was unpacked"):
        read(tmp_path, archive)


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_MOST_BYTES", 1000)
    root = folder(tmp_path, "solo")
    (root / "lib" / "big.jar").write_bytes(bytes(2000))
    with pytest.raises(UsageError, match=r"unpacked it takes .* that are allowed; nothing"):
        read(tmp_path, pack(root))


def test_a_damaged_jar(tmp_path: Path) -> None:
    library = folder(tmp_path, "solo") / "lib"
    for jar in library.glob("*.jar"):
        jar.write_bytes(b"no jar")
    with pytest.raises(SetupError, match=r"azkaban-.*\.jar: the jar is damaged"):
        distribution.main_class(library, "web")


def test_jars_without_the_server(tmp_path: Path) -> None:
    library = folder(tmp_path, "web") / "lib"
    for jar in library.glob("*.jar"):
        with zipfile.ZipFile(jar, "w") as packed:
            packed.writestr("empty.txt", "")
    with pytest.raises(SetupError, match=r"has the class azkaban\.webapp\.AzkabanWebServer"):
        distribution.main_class(library, "web")


# From one version to another


def program(version: str) -> Program:
    return Program(version, stock=False, libraries={}, classes={}, jars={}, ours="")


def way(tmp_path: Path, old: str, new: str, database: str = "mysql", **files: str) -> None:
    """Ask for a way from one version to another, whose folder of tables has more files."""
    number = len(list(tmp_path.iterdir()))
    folders = [tmp_path / f"old{number}", tmp_path / f"new{number}"]
    for folder in folders:
        folder.mkdir()
        (folder / "create.projects.sql").write_text("CREATE TABLE projects (id INT);\n")
        (folder / "upgrade.3.85.0.to.3.86.0.sql").write_text("-- one\nUPDATE t SET n = 1;\n")
    for name, text in files.items():
        (folders[1] / f"{name.replace('_', '.')}.sql").write_text(text)
    schema.require_way(program(old), program(new), *folders, database)


def test_upgrades_for_which_there_is_a_way(tmp_path: Path) -> None:
    way(tmp_path, "3.86.0", "4.10.1")
    way(tmp_path, "4.0.0", "4.0.0")
    way(tmp_path, "3.90.0", "4.1.0", "h2")
    way(tmp_path, "2.5.0", "2.7.0", "h2")


def test_upgrades_for_which_there_is_no_way(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tables of Azkaban 2\.5\.0 cannot be brought to 4\.0\.0"):
        way(tmp_path, "2.5.0", "4.0.0")
    with pytest.raises(UsageError, match=r"3\.90\.0 is older.*setup azkaban rollback"):
        way(tmp_path, "4.0.0", "3.90.0")
    with pytest.raises(UsageError, match="the tables change, and on H2 they cannot"):
        way(tmp_path, "3.90.0", "4.0.0", "h2", create_b="CREATE TABLE b (id INT);\n")
    with pytest.raises(
        UsageError, match=r"to\.3\.86\.0\.sql of Azkaban 4\.0\.0 changes rows.*n = 1\."
    ):
        way(tmp_path, "3.85.0", "4.0.0")


# Tables as MySQL shows them

OLD = """\
CREATE TABLE `t` (
  `id` int(11) NOT NULL,
  `name` varchar(64) NOT NULL DEFAULT 'a, b',
  `gone` text,
  PRIMARY KEY (`id`),
  UNIQUE KEY `one` (`name`),
  KEY `mine` (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

NEW = """\
CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(64) NOT NULL DEFAULT 'a, b',
  `method` tinyint(4) DEFAULT '1',
  PRIMARY KEY (`id`,`name`),
  KEY `by_method` (`method`),
  CONSTRAINT `t_ibfk_1` FOREIGN KEY (`id`) REFERENCES `u` (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""


def test_what_changes_from_table_to_table() -> None:
    old, new = align.Table.of(OLD), align.Table.of(NEW)
    assert list(align.changes("t", old, new)) == [
        "DROP PRIMARY KEY",
        "DROP INDEX `one`",
        "MODIFY COLUMN `id` int(11) NOT NULL AUTO_INCREMENT",
        "ADD COLUMN `method` tinyint(4) DEFAULT '1'",
        "ADD PRIMARY KEY (`id`,`name`)",
        "ADD KEY `by_method` (`method`)",
        "ADD CONSTRAINT `t_ibfk_1` FOREIGN KEY (`id`) REFERENCES `u` (`id`)",
    ]
    assert "DROP FOREIGN KEY `t_ibfk_1`" in list(align.changes("t", new, old))
    assert list(align.difference({"t": old, "mine": new}, {"t": old})) == []
    assert list(align.difference({}, {"t": new})) == [NEW]


def test_a_column_that_nobody_would_fill() -> None:
    old = align.Table.of(OLD.replace("`gone` text", "`gone` int(11) NOT NULL"))
    with pytest.raises(ServerError, match="table t: the new version has no column gone"):
        list(align.difference({"t": old}, {"t": align.Table.of(NEW)}))


def test_a_table_that_cannot_be_read() -> None:
    with pytest.raises(ServerError, match="an unknown kind of line: PARTITION"):
        align.Table.of(OLD.replace("  KEY", "PARTITION"))
