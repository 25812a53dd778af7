"""A private Python from each source; environments that travel, the same bytes each time."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import zipfile
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from azkaban_client.environments import with_packed
from azkaban_client.flow.zip import Bundle
from setup import archives, cli, downloads
from setup.errors import DownloadError, SetupError, UsageError
from setup.layout import Layout
from setup.python import pip
from setup.python.install import PythonSource, install
from setup.python.pack import Packed, ask, pack
from tests.setup.conda import lay_out

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = Path(getattr(sys, "_base_executable", sys.executable))
SHORT = f"python{sys.version_info.major}.{sys.version_info.minor}"


def _distribution(site: Path, name: str, files: dict[str, str], direct: str = "") -> None:
    """Install as pip does: files, then what was installed."""
    info = f"{name}-1.0.dist-info"
    files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    if direct:
        files[f"{info}/direct_url.json"] = direct
    for file, text in files.items():
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    listed = [*files, f"{info}/RECORD", f"{name}/__pycache__/__init__.pyc"]
    (site / info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in listed))


def _environment(folder: Path, *, numpy: bool = True) -> Path:
    """Make a virtual environment with numpy and three small packages; return its interpreter."""
    subprocess.run([str(BASE), "-I", "-m", "venv", "--without-pip", str(folder)], check=True)
    site = folder / "lib" / SHORT / "site-packages"
    installed = Path(sysconfig.get_path("platlib"))
    for part in installed.glob("numpy*") if numpy else ():
        shutil.copytree(part, site / part.name)
    script = f"#!{folder}/bin/python\nimport hello, sys\nprint(hello.WORD, *sys.argv[1:])\n"
    files = {"hello/__init__.py": "WORD = 'hello'\n", "../../../bin/hello": script}
    _distribution(site, "hello", {**files, "../../../share/hello/words.txt": "one"})
    (folder / "bin/hello").chmod(0o755)
    _distribution(site, "broken", {"broken.py": "import no_such_module\n"})
    editable = json.dumps({"url": "file:///src", "dir_info": {"editable": True}})
    _distribution(site, "mine", {"_editable_mine.pth": "/src"}, direct=editable)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _environment(tmp_path_factory.mktemp("environments") / "first")


@dataclass
class Unpacked:
    packed: Packed
    home: Path

    def run(self, *command: str) -> str:
        result = subprocess.run(
            [str(self.home / command[0]), *command[1:]],
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()


@pytest.fixture(scope="module")
def whole(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    target = tmp_path_factory.mktemp("whole")
    packed = pack(python, target)
    home = target / "with a space"
    archives.unpack(packed.path, home)
    return Unpacked(packed, home)


def test_packed_interpreter_is_its_own(whole: Unpacked) -> None:
    program = (
        "import sys, os, ssl, sqlite3, ctypes, json, numpy;"
        "assert (numpy.eye(3) @ numpy.ones(3)).sum() == 3;"
        "print(json.dumps([sys.prefix, sys.base_prefix, os.__file__, numpy.__file__, sys.path]))"
    )
    for name in ("python", "python3"):
        found = json.loads(whole.run(f"bin/{name}", "-c", program))
        paths = [*found[:4], *filter(None, found[4])]
        assert all(path.startswith(str(whole.home)) for path in paths), paths


def test_libraries_that_are_not_everywhere_travel_along(whole: Unpacked) -> None:
    seen = ask(whole.home / "bin/python", "tour", "numpy")
    names = {Path(file).name: file for file in seen["mapped"]}
    ssl = next(file for name, file in names.items() if name.startswith(("libssl", "_ssl")))
    assert ssl.startswith(str(whole.home))
    outside = {name for name, file in names.items() if not file.startswith(str(whole.home))}
    glibc = ("libc.", "libm.", "ld-", "libdl.", "libpthread.", "librt.", "libutil.", "libresolv.")
    assert all(name.startswith((*glibc, "libstdc", "libgcc", "libnsl.so.1")) for name in outside)


def test_scripts_run_the_interpreter_beside_them(whole: Unpacked) -> None:
    assert whole.run("bin/hello", "a b") == "hello a b"
    assert (whole.home / "share/hello/words.txt").read_text() == "one"


def test_a_project_that_brings_it_unpacks_it_once(whole: Unpacked, tmp_path: Path) -> None:
    """As on an executor: `${python}` of a job runs the Python that came in the project's zip."""
    job = b"type=command\ncommand=${python} a.py"
    project = with_packed(Bundle({"a.job": job, "deep/er/b.job": job}), whole.packed.path)
    for name in project.names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"".join(project.pieces(name)))
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "a home")}

    def start(folder: str, **more: str) -> subprocess.Popen[str]:
        file = tmp_path / folder / "azk-environment.properties"
        words = file.read_text().removeprefix("python=").split()
        return subprocess.Popen(
            [*words, "-c", "import hello, sys; print(sys.prefix, sys.argv[1:])", "a b", ""],
            cwd=tmp_path / folder,
            env=environ | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    home = tmp_path / "a home/.cache/azk/environments" / whole.packed.path.name[: -len(".tar.gz")]
    said = [process.communicate() for process in [start("deep/er"), start("."), start(".")]]
    assert {out for out, _ in said} == {f"{home} ['a b', '']\n"}, said
    assert "".join(err for _, err in said).count("unpacking") == 1
    assert home.parent.stat().st_mode & 0o077 == 0
    assert [path.name for path in home.parent.iterdir() if path.name != ".lock"] == [home.name]

    old = home.parent / "python-3.9.1-old"
    old.mkdir()
    (old / ".azk-used").touch()
    os.utime(old / ".azk-used", (0, 0))
    os.utime(home / ".azk-used", (0, 0))
    assert start(".").communicate()[1] == ""
    assert (home / ".azk-used").stat().st_mtime > 0  # used today
    other = tmp_path / "other"
    assert start(".", AZK_ENVIRONMENTS=str(other)).communicate()[0].startswith(str(other))
    assert old.is_dir()
    shutil.rmtree(home)
    assert start(".").communicate()[0]
    assert not old.exists()  # whenever one is unpacked, those of long ago go

    for more, words in (
        ({"HOME": ""}, "there is no HOME to unpack"),
        ({"HOME": "/proc/no"}, "cannot create directory"),
    ):
        process = start(".", **more)
        out, err = process.communicate()
        assert (process.returncode != 0, out, words in err) == (True, "", True), err
    script = (tmp_path / "azk-python").read_text()
    (tmp_path / "azk-python").write_text(script.replace(platform.machine(), "vax"))
    assert "the project's packages are for vax, this machine is" in start(".").communicate()[1]


def test_what_packed_says(whole: Unpacked) -> None:
    packed = whole.packed
    assert packed.python == ".".join(map(str, sys.version_info[:3]))
    assert packed.path.name == f"python-{packed.python}-{packed.digest[:12]}.tar.gz"
    assert packed.size == packed.path.stat().st_size
    assert {"hello==1.0", "broken==1.0"} < set(packed.distributions)
    assert packed.left_out == ("mine",)
    assert tuple(map(int, packed.glibc.split("."))) >= (2, 2)
    with tarfile.open(packed.path) as tar:
        names = tar.getnames()
    assert not [name for name in names if "__pycache__" in name or "mine" in name.split("/")[-1]]


def test_same_content_is_the_same_bytes(whole: Unpacked, tmp_path: Path) -> None:
    other = _environment(tmp_path / "elsewhere" / "second")
    before = os.umask(0o077)
    try:
        packed = pack(other, tmp_path)
    finally:
        os.umask(before)
    assert packed.path.name == whole.packed.path.name
    assert packed.path.read_bytes() == whole.packed.path.read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_venv_kind_links_to_its_interpreter(python: Path, tmp_path: Path) -> None:
    packed = pack(python, tmp_path / "small.zip", kind="venv")
    with zipfile.ZipFile(packed.path) as archive:
        names = set(archive.namelist())
        assert archive.getinfo("bin/hello").external_attr >> 16 & 0o777 == 0o755
    assert {"bin/python", "pyvenv.cfg"} < names
    assert not any(name.endswith("/os.py") for name in names)
    subprocess.run(["unzip", "-q", str(packed.path), "-d", str(tmp_path / "u")], check=True)
    home = Unpacked(packed, tmp_path / "u")
    assert home.run("bin/python", "-c", "import numpy, hello; print(hello.WORD)") == "hello"
    assert home.run("bin/hello") == "hello"


def test_path_that_leads_back_is_found_out(tmp_path: Path) -> None:
    environment = tmp_path / "e"
    _environment(environment, numpy=False)
    (tmp_path / "elsewhere").mkdir()
    pth = environment / "lib" / SHORT / "site-packages" / "leads.pth"
    pth.write_text(f"{tmp_path}/elsewhere\n")
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(SetupError, match=rf"does not run from another folder.*{tmp_path}/elsewh"):
        pack(environment / "bin/python", target)
    assert list(target.iterdir()) == []


def test_what_cannot_be_packed(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without conda-pack
    for interpreter, target, kind, words in (
        (tmp_path / "none", tmp_path, "whole", "there is no interpreter"),
        (Path("/bin/true"), tmp_path, "whole", "is no Python: it prints"),
        (python, tmp_path / "a.rar", "whole", r"a\.rar: neither a folder nor a name that ends in"),
        (python, tmp_path / "x/a.zip", "whole", "no such folder"),
        (python, tmp_path, "wheel", "'wheel': expected whole, venv, conda"),
        (python, tmp_path, "conda", "pip install conda-pack"),
        (BASE, tmp_path, "venv", "is no virtual environment"),
    ):
        with pytest.raises(UsageError, match=words):
            pack(interpreter, target, kind=kind)
    assert list(tmp_path.iterdir()) == []


# Archives


def _tar(path: Path, *found: tuple[str, str, str]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, value in found:
            info = tarfile.TarInfo(name)
            info.type = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE,
                         "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}[kind]  # fmt: skip
            info.linkname = value if kind in ("link", "hard") else ""
            info.size = len(value) if kind == "file" else 0
            tar.addfile(info, io.BytesIO(value.encode()))
    return path


@pytest.mark.parametrize(
    "found",
    [
        [("../evil", "file", "x")],
        [("/var/evil", "file", "x")],
        [("a/../../evil", "file", "x")],
        [("bin/python3", "link", "/usr/bin/python3")],
        [("bin/python3", "link", "../../python3")],
        [("top", "link", "deep/er"), ("a", "link", "top/../../x")],
        [("a/b/d", "link", "../../top"), ("a/b/e", "link", "d/../..")],
        [("out", "link", "in"), ("out/evil", "file", "x")],
        [("hard", "hard", "/etc/passwd")],
        [("dev", "device", "")],
    ],
    ids=str,
)
def test_unsafe_archive_is_refused_whole(found: list[tuple[str, str, str]], tmp_path: Path) -> None:
    archive = _tar(tmp_path / "a.tar.gz", ("good", "file", "x"), *found)
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(UsageError):
        archives.unpack(archive, folder)
    assert list(folder.iterdir()) == []
    assert [p.name for p in folder.parent.iterdir()] == ["folder"]


def test_unsafe_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good", "x")
        info = zipfile.ZipInfo("bin/python")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/usr/bin/python3")
    with pytest.raises(UsageError, match="links to '/usr/bin/python3', outside of itself"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\5\6 not really", b"\x1f\x8b\x08 cut"])
def test_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match="cannot be unpacked"):
        archives.unpack(tmp_path / "a", tmp_path / "out")


def test_unpacked_as_it_was(tmp_path: Path) -> None:
    found = [("top/bin/x", "file", "#!/bin/sh\n"), ("top/bin/y", "link", "x"),
             ("top/z", "hard", "top/bin/x")]  # fmt: skip
    archives.unpack(_tar(tmp_path / "a.tar.gz", *found), tmp_path / "out")
    assert (tmp_path / "out/top/bin/y").read_text() == "#!/bin/sh\n"
    assert (tmp_path / "out/top/bin/y").is_symlink()
    assert (tmp_path / "out/top/z").read_text() == "#!/bin/sh\n"


# A private Python


@pytest.fixture
def setup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run ``setup python ...`` under a prefix of its own: exit code, and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main(["python", *arguments, "--prefix", str(tmp_path / "p")])
        shown = capsys.readouterr()
        return code, shown.err if code else shown.out.strip()

    return run


def _runs(python: str, *command: str) -> str:
    result = subprocess.run(
        [python, *command],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.fixture(scope="module")
def archive(whole: Unpacked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole Python as python-build-standalone packs it, all in one folder."""
    path = tmp_path_factory.mktemp("archive") / "cpython.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(whole.home, "python", filter=lambda m: None if "/numpy" in m.name else m)
    return path


def _modules(python: str) -> str:
    """Use pip and what breaks first; tell where the standard library lies."""
    assert _runs(python, "-m", "pip", "--version").startswith("pip ")
    return _runs(python, "-c", "import ssl, sqlite3, ctypes, os; print(os.__file__)")


def test_running_python_then_an_archive(
    setup: Callable[..., tuple[int, str]], archive: Path, tmp_path: Path
) -> None:
    code, python = setup("install")
    assert (code, python) == (0, str(tmp_path / "p/python/bin/python"))
    _modules(python)
    before = _runs(python, "-m", "pip", "list", "--format=freeze")
    assert setup("install") == setup("install", "--from", "running") == (0, python)

    home = tmp_path / "p/python"
    home.rename(home.with_name("python.old"))  # a replacement, then killed while it unpacked
    (home / "bin").mkdir(parents=True)
    assert setup("install") == (0, python)
    assert not home.with_name("python.old").exists()

    code, said = setup("install", "--from", str(archive))
    assert code == 2
    assert "holds Python" in said
    assert "from running; add --replace" in said
    right = hashlib.sha256(archive.read_bytes()).hexdigest()
    replace = ("install", "--from", str(archive), "--replace", "--sha256")
    code, said = setup(*replace, "0" * 64)
    assert code == 4
    assert f"its SHA-256 is {right}, not {'0' * 64}" in said
    assert _runs(python, "-m", "pip", "list", "--format=freeze") == before

    assert setup(*replace, right) == (0, python)
    assert _modules(python).startswith(str(tmp_path / "p/python/lib"))
    assert setup("install") == (0, python)
    names = {path.name for path in (tmp_path / "p").iterdir()}
    assert names <= {".azkaban-jobflow", ".lock", "cache", "python"}


@pytest.mark.parametrize("source", ["debian", "maven"])
def test_python_that_the_machine_has_not(source: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "p", Layout.of().cache)
    layout.create(need=0)
    made = install(layout, PythonSource(source), lambda _: None)
    assert made.source == source
    found = _modules(str(made.python))
    assert found.startswith(str(tmp_path / "p/python/lib"))
    program = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    assert int(_runs(str(made.python), "-c", program)) > 10


@pytest.fixture
def conda(whole: Unpacked, tmp_path: Path) -> Path:
    """An environment in conda's layout."""
    return lay_out(whole.home, tmp_path / "miniconda", "numpy*") / "bin" / "python"


def test_conda_environment_is_packed_and_installed(
    conda: Path,
    setup: Callable[..., tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By conda-pack itself; conda-unpack then writes the new folder into files that name it."""
    target = tmp_path / "e.tar.gz"
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    arguments = ("pack", str(target), "--python", str(conda), "--kind", "conda")
    assert setup(*arguments) == (0, str(target))

    code, python = setup("install", "--from", str(target))
    assert code == 0, python
    home = tmp_path / "p" / "python"
    _modules(python)
    assert (home / "share" / "where.txt").read_text() == f"{home}/lib\n"
    assert _runs(str(home / "bin" / "hello"), "a") == "hello a"


def test_conda_archive_that_cannot_be_settled(
    whole: Unpacked, setup: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    home = tmp_path / "e"
    shutil.copytree(whole.home, home, symlinks=True)
    (home / "bin" / "conda-unpack").write_text("raise SystemExit('prefix too long')\n")
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.add(home, ".")
    code, said = setup("install", "--from", str(tmp_path / "e.tar.gz"))
    assert code == 3
    assert "conda-unpack fails: prefix too long" in said
    assert not (tmp_path / "p" / "python").exists()


def test_archive_by_url_needs_its_hash(archive: Path, tmp_path: Path) -> None:
    handler = functools.partial(_Quiet, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        place = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        try:
            with pytest.raises(UsageError, match="a URL needs --sha256 beside it"):
                downloads.named("--from", place, "", tmp_path, lambda _: None)
            right = downloads.sha256(archive)
            path = downloads.named("--from", place, right, tmp_path, lambda _: None)
            with pytest.raises(DownloadError, match="could not be downloaded: HTTP Error 404"):
                downloads.named("--from", place + "x", right, tmp_path, lambda _: None)
        finally:
            server.shutdown()
            thread.join()
    assert path.read_bytes() == archive.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == [archive.name]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_archives_that_will_not_do_change_nothing(
    setup: Callable[..., tuple[int, str]], whole: Unpacked, tmp_path: Path
) -> None:
    library = next(whole.home.glob("lib/python3.*/lib-dynload/_sqlite3.*"))
    left_out = f"/numpy|{re.escape(library.name)}"
    without = tmp_path / "without.tar.gz"
    with tarfile.open(without, "w:gz", compresslevel=1) as tar:
        tar.add(whole.home, "python", filter=lambda m: None if re.search(left_out, m.name) else m)
    (tmp_path / "Miniforge3.sh").write_text("#!/bin/sh\n")
    other = ("bin/python3", "file", "#!/bin/sh\nexec true\n")
    for file, words in (
        (without, "not whole: sqlite3 (ModuleNotFoundError: No module named '_sqlite3'"),
        (_tar(tmp_path / "no.tar.gz", ("readme", "file", "x")), "there is no bin/python3 in it"),
        (_tar(tmp_path / "other.tar.gz", other), "does not run here"),
        (_tar(tmp_path / "env.tar.gz", ("bin/python3", "link", "/usr/bin/python3")),
         "links to '/usr/bin/python3', outside of itself"),
        (tmp_path / "Miniforge3.sh", "run the installer and name its bin/python"),
        (tmp_path / "none.tar.gz", "no such file"),
    ):  # fmt: skip
        code, said = setup("install", "--from", str(file))
        assert code in (2, 3), said
        assert words in said
        assert not (tmp_path / "p/python").exists()


def test_pip_from_a_wheel_that_is_none(tmp_path: Path) -> None:
    wheel = tmp_path / "six-1.0-py3-none-any.whl"
    with pytest.raises(UsageError, match=r"expected a file such as pip-25\.3"):
        pip.ensure(BASE, tmp_path, wheel)


def test_pip_where_ensurepip_is_missing(tmp_path: Path) -> None:
    """As on a Debian without python3-venv: pip runs from inside its wheel."""
    pip.make_environment(tmp_path / "e")
    python = tmp_path / "e/bin/python"
    wheel = pip.find_wheel(tmp_path / "w")
    assert wheel is not None
    given = tmp_path / wheel.name
    shutil.copy(wheel, given)
    pip.ensure(python, tmp_path, given)
    assert _modules(str(python))


def test_pack_command(setup: Callable[..., tuple[int, str]], python: Path, tmp_path: Path) -> None:
    code, said = setup("pack", str(tmp_path))
    assert code == 2
    assert "run python3 -m setup python install, or name one with --python" in said
    arguments = ("pack", str(tmp_path / "v.tgz"), "--kind", "venv", "--python", str(python))
    code, out = setup(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["left_out"] == ["mine"]
