"""Locks are installed as they stand, by uv and by pip, on any day and from any index."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from setup.errors import DownloadError, SetupError, UsageError
from setup.layout import Layout
from setup.python import installer as module
from setup.python import pip
from setup.python.installer import LOCKS, Installer
from tests.setup import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

# pip's releases, from the first that comes with Python 3.11 to the newest.
PIPS = ("22.3", "23.0.1", "23.2.1", "24.3.1", "25.3", "26.3")
LONG = pytest.mark.long
ALL = sorted(path.stem for path in LOCKS.glob("*.txt"))


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this machine's settings of pip and uv aside."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "AZK_INST"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture(scope="session")
def uv_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return uv's own wheel, as set-up keeps it."""
    layout = Layout(tmp_path_factory.mktemp("uv"), Layout.of().cache)
    with Installer(layout) as installer:
        assert installer.name == "uv"
    return next(layout.cache.glob("installer/uv-*.whl"))


@pytest.fixture
def layout(tmp_path: Path, uv_wheel: Path) -> Layout:
    found = Layout(tmp_path / "p", tmp_path / "c")
    found.create(need=0)
    (found.cache / "installer").mkdir()
    (found.cache / "installer" / uv_wheel.name).symlink_to(uv_wheel)
    return found


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[made_up.Index]:
    with made_up.serving(made_up.Index()) as found:
        monkeypatch.setenv("PIP_INDEX_URL", found.url)
        yield found


def _environment(layout: Layout, name: str = "env") -> Path:
    pip.make_environment(layout.prefix / name)
    return layout.prefix / name / "bin" / "python"


def _installed(python: Path) -> dict[str, str]:
    folder = next(python.parents[1].glob("lib/python*/site-packages"))
    return {
        made_up.normal(found.name): found.version for found in distributions(path=[str(folder)])
    }


# Locks are alike to pip: test_with_each_pip has it install one of them every day.
@pytest.mark.parametrize("name", ["uv", pytest.param("pip", marks=LONG)])
def test_every_lock_installs_what_it_pins_whatever_else_an_index_has(
    name: str, layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_INSTALLER", name)
    assert len(ALL) >= 12
    for lock in ALL:
        pins = index.lock(LOCKS / f"{lock}.txt", layout.prefix / f"{lock}.txt")
        python = _environment(layout, f"env-{lock}")
        with Installer(layout) as installer:
            assert installer.name == name
            installer.install(layout.prefix / f"{lock}.txt", python)
            assert installer.check(python) == ""
        assert pins
        assert _installed(python) == pins, lock
    assert "surprise" not in index.asked


def test_nothing_that_others_may_change_is_left(layout: Layout, index: made_up.Index) -> None:
    """uv lets everybody write to its lock files, unless somebody takes that back."""
    python = _environment(layout)
    index.lock(LOCKS / "base.txt", layout.prefix / "base.txt")
    with Installer(layout) as installer:
        installer.install(layout.prefix / "base.txt", python)
        installer.install(layout.prefix / "base.txt", python, target=layout.prefix / "target")
    files = [path for top in (layout.prefix, layout.cache) for path in top.rglob("*")]
    assert len(files) > 100
    open_ones = [p for p in files if not p.is_symlink() and p.stat().st_mode & 0o022]
    assert open_ones == []


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a release of pip, from this machine's index, into a folder of its name."""
    layout = Layout(tmp_path_factory.mktemp("pip"), Layout.of().cache)
    locks = Path(__file__).with_name("pips.txt").read_text().split("\n\n")
    one = layout.prefix / "one.txt"
    one.write_text(next(lock for lock in locks if lock.startswith(f"pip=={request.param} ")))
    with Installer(layout) as installer:
        installer.install(one, Path(sys.executable), target=layout.prefix / request.param)
    return layout.prefix / request.param / "pip"


@pytest.mark.parametrize(
    "release",
    [PIPS[0], *(pytest.param(one, marks=LONG) for one in PIPS[1:-1]), PIPS[-1]],
    indirect=True,
)
def test_with_each_pip(
    release: Path,
    layout: Layout,
    index: made_up.Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command(python: Path | None, _folder: Path) -> list[str]:
        return [str(python), "-I", str(release)]

    python = _environment(layout)
    said = subprocess.run(
        [*command(python, layout.prefix), "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith(f"pip {release.parent.name} ")
    monkeypatch.setattr(pip, "command", command)
    monkeypatch.setenv("AZK_INSTALLER", "pip")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_TARGET", str(layout.prefix / "elsewhere"))
    pins = index.lock(LOCKS / "base.txt", layout.prefix / "base.txt")
    with Installer(layout) as installer:
        installer.install(layout.prefix / "base.txt", python)
        assert installer.check(python) == ""
    assert _installed(python) == pins
    assert not (layout.prefix / "elsewhere").exists()


@pytest.mark.parametrize("name", ["uv", "pip"])
def test_a_folder_of_wheels_asks_nobody(
    name: str, layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the one-file archive; what the folder lacks comes from the index."""
    monkeypatch.setenv("AZK_INSTALLER", name)
    pins = index.lock(LOCKS / "base.txt", layout.prefix / "base.txt")
    wheels = index.write(layout.prefix / "wheels")
    more = layout.prefix / "more.txt"
    more.write_text(f"more==1.0 --hash=sha256:{index.add('more', '1.0')}\n")
    python = _environment(layout)
    with Installer(layout, wheels=wheels) as installer:
        installer.install(layout.prefix / "base.txt", python)
        assert _installed(python) == pins
        assert index.asked == set()
        installer.install(more, python)
    assert _installed(python) == {**pins, "more": "1.0"}


def test_with_uv_among_the_wheels_no_pip_is_needed(
    tmp_path: Path, uv_wheel: Path, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Python without pip and ensurepip, on a machine without network."""
    layout = Layout(tmp_path / "p", tmp_path / "c")
    layout.create(need=0)
    pins = index.lock(LOCKS / "base.txt", layout.prefix / "base.txt")
    wheels = index.write(layout.prefix / "wheels")
    (wheels / uv_wheel.name).symlink_to(uv_wheel)
    monkeypatch.setattr(pip, "command", lambda *_: pytest.fail("pip was asked for"))
    python = _environment(layout)
    with Installer(layout, wheels=wheels) as installer:
        installer.install(layout.prefix / "base.txt", python)
        assert installer.check(python) == ""
    assert _installed(python) == pins
    assert index.asked == set()


@pytest.mark.parametrize("name", ["uv", "pip"])
def test_another_file_than_the_pinned_one_is_refused(
    name: str, layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_INSTALLER", name)
    python = _environment(layout)
    index.add("six", "1.0")
    lock = layout.prefix / "l.txt"
    lock.write_text(f"six==1.0 --hash=sha256:{'0' * 64}\n")
    with (
        Installer(layout) as installer,
        pytest.raises(DownloadError, match=r"not the pinned one, nothing of it was.*six"),
    ):
        installer.install(lock, python)
    assert _installed(python) == {}


@pytest.mark.parametrize("name", ["uv", pytest.param("pip", marks=LONG)])
def test_a_folder_with_another_file_is_refused_before_the_index_is_asked(
    name: str, layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_INSTALLER", name)
    python = _environment(layout)
    lock = layout.prefix / "l.txt"
    lock.write_text(f"six==1.0 --hash=sha256:{index.add('six', '1.0')}\n")
    wheels = layout.prefix / "wheels"
    wheels.mkdir()
    (wheels / "six-1.0-py3-none-any.whl").write_bytes(made_up.wheel("six", "1.0", "bad"))
    with (
        Installer(layout, wheels=wheels) as installer,
        pytest.raises(DownloadError, match="not the pinned one"),
    ):
        installer.install(lock, python)
    assert index.asked == set()


def test_a_cache_may_lie_on_another_disk(
    tmp_path: Path, uv_wheel: Path, index: made_up.Index
) -> None:
    index.files[uv_wheel.name] = uv_wheel.read_bytes()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        layout = Layout(tmp_path / "p", Path(other) / "c")
        layout.create(need=0)
        assert layout.cache.stat().st_dev != layout.prefix.stat().st_dev
        with Installer(layout) as installer:
            assert installer.name == "uv"
        [kept] = (layout.cache / "installer").iterdir()
        assert kept.read_bytes() == uv_wheel.read_bytes()
    assert index.asked == {"uv"}


def test_a_shared_cache_may_be_for_reading_only(
    layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = index.lock(LOCKS / "base.txt", layout.prefix / "base.txt")
    python = _environment(layout)
    access = os.access  # root may write everywhere
    monkeypatch.setattr(
        os, "access", lambda path, mode: access(path, mode) and layout.cache != Path(path)
    )
    before = sorted(layout.cache.rglob("*"))
    with Installer(layout) as installer:
        installer.install(layout.prefix / "base.txt", python)
        assert installer.name == "uv"
    assert _installed(python) == pins
    assert sorted(layout.cache.rglob("*")) == before


def test_uv_that_is_another_file_is_never_run(
    tmp_path: Path, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "p", tmp_path / "c")
    layout.create(need=0)
    store = layout.cache / "installer"
    store.mkdir()
    name = f"uv-0.13.9-py3-none-manylinux_2_17_{os.uname().machine}.whl"
    (store / name).write_bytes(made_up.wheel("uv", "0.13.9"))
    monkeypatch.setattr(module, "runs", lambda *_, **__: pytest.fail("it was run"))
    with Installer(layout) as installer:  # the index has no uv
        assert installer.name == "pip"
    assert index.asked == {"uv"}
    [(_, version)] = module.pins(LOCKS / "uv.txt")
    index.add("uv", version)
    with pytest.raises(DownloadError, match=r"not the pinned one.*uv=="), Installer(layout):
        pass


def test_pip_does_it_where_uv_does_not_run(
    layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is mounted noexec, say."""
    monkeypatch.setattr(module, "runs", lambda *_, **__: False)
    python = _environment(layout)
    pins = index.lock(LOCKS / "mysql.txt", layout.prefix / "l.txt")
    with Installer(layout) as installer:
        assert installer.name == "pip"
        installer.install(layout.prefix / "l.txt", python)
    assert _installed(python) == pins


@pytest.mark.parametrize("name", ["uv", "pip"])
def test_packages_that_do_not_fit_are_found(
    name: str, layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_INSTALLER", name)
    python = _environment(layout)
    lock = layout.prefix / "l.txt"
    lock.write_text(
        f"one==1.0 --hash=sha256:{index.add('one', '1.0', 'two>=2')}\n"
        f"two==1.0 --hash=sha256:{index.add('two', '1.0')}\n"
    )
    with Installer(layout) as installer:
        installer.install(lock, python)
        assert "two>=2" in installer.check(python)


@pytest.mark.parametrize("name", ["uv", pytest.param("pip", marks=LONG)])
def test_a_list_without_hashes_is_resolved(
    name: str, layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user gives it to `spark pack`: versions, and nothing of what they need."""
    monkeypatch.setenv("AZK_INSTALLER", name)
    python = _environment(layout)
    index.add("one", "1.0", "two")
    index.add("two", "2.0")
    lock = layout.prefix / "l.txt"
    lock.write_text("one==1.0\n")
    with Installer(layout) as installer:
        installer.install(lock, python, hashes=False)
    assert _installed(python) == {"one": "1.0", "two": "2.0"}


def test_nothing_is_left_and_the_server_is_named_when_nobody_answers(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    python = _environment(layout)
    lock = layout.prefix / "l.txt"
    lock.write_text(f"six==1.0 --hash=sha256:{'0' * 64}\n")
    for name in ("uv", "pip"):
        monkeypatch.setenv("AZK_INSTALLER", name)
        with (
            Installer(layout) as installer,
            pytest.raises(
                DownloadError, match=r"(?s)could not be installed.*PIP_INDEX_URL"
            ) as told,
        ):
            installer.install(lock, python)
        assert "secret" not in str(told.value)
    assert list(layout.temporary.glob("setup-installer-*")) == []


def test_an_installer_of_another_name(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZK_INSTALLER", "conda")
    with (
        pytest.raises(UsageError, match="AZK_INSTALLER=conda: expected uv or pip"),
        Installer(layout),
    ):
        pass


def test_no_pip_at_all(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pip, "version", lambda: None)
    monkeypatch.setattr(pip, "find_wheel", lambda _: None)
    with pytest.raises(SetupError, match=r"neither pip nor ensurepip.*python3-venv"):
        pip.command(None, layout.prefix)


def test_pip_runs_from_its_wheel_where_there_is_none(
    layout: Layout, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Debian without python3-pip, or a pip that is too old."""
    monkeypatch.setenv("AZK_INSTALLER", "pip")
    python = _environment(layout)
    monkeypatch.setattr(pip, "version", lambda: None)
    assert pip.command(python, layout.prefix)[-1].endswith(".whl/pip")
    monkeypatch.setattr(pip, "version", lambda: (22, 2))
    assert pip.command(python, layout.prefix)[-1].endswith(".whl/pip")
    pins = index.lock(LOCKS / "mysql.txt", layout.prefix / "l.txt")
    with Installer(layout) as installer:
        installer.install(layout.prefix / "l.txt", python)
        assert installer.check(python) == ""
    assert _installed(python) == pins
