"""Each project's own packages: made-up wheels on loopback, real uv and pip, real environments."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from azkaban_client import environments
from azkaban_client.cli import _env
from azkaban_client.environments import build, lock, store
from azkaban_client.environments import installer as module
from azkaban_client.errors import AzkabanError, InvalidProject, NetworkError
from tests.setup import made_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE = Path(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack set-up's uv once."""
    found = module._find_uv(tmp_path_factory.mktemp("uv"))
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def prefix(tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an installation of its own with uv on the PATH, and none of this machine's settings."""
    kept = store.cache()
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "AZK_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    found = tmp_path / "prefix"
    (found / "cache" / "installer").mkdir(parents=True)
    (found / ".azkaban-jobflow").touch()
    for wheel in kept.glob("installer/uv-*.whl") if kept else ():
        (found / "cache" / "installer" / wheel.name).symlink_to(wheel)
    monkeypatch.setenv("AZK_HOME", str(found))
    monkeypatch.setenv("PATH", f"{uv.parent}{os.pathsep}{os.environ['PATH']}")
    return found


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[made_up.Index]:
    with made_up.serving(made_up.Index()) as found:
        for version in ("1.0", "1.1", "2.0"):
            found.add("numbers", version)
        found.add("plots", "0.5", "numbers<2")
        monkeypatch.setenv("PIP_INDEX_URL", found.url)
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "sales"
    found.mkdir()
    return found


def _require(folder: Path, *lines: str) -> None:
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))


def _folders(prefix: Path) -> list[Path]:
    return [path for path in (prefix / "environments").iterdir() if path.is_dir()]


def _imports(environment: environments.Environment, code: str) -> str:
    result = subprocess.run(
        [environment.python, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize("name", ["uv", "pip"])
def test_an_environment_is_made_once_for_each_lock(
    name: str, folder: Path, prefix: Path, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZK_INSTALLER", name)
    # As an editor on Windows saves it.
    (folder / "requirements.txt").write_bytes(b"\xef\xbb\xbfplots  # and what it needs\r\n")
    said: list[str] = []
    made = environments.ensure(folder, say=said.append)
    assert made is not None
    assert made.packages == {"plots": "0.5", "numbers": "1.1"}
    assert made.folder.parent == prefix / "environments"
    assert _imports(made, "import made_up_numbers; print(made_up_numbers.VERSION)") == "1.1"
    assert {"made_up_numbers", "made_up_plots"} <= made.modules
    assert "numpy" not in made.modules
    text = (folder / "requirements.lock").read_text()
    pins = dict(re.findall(r"^(\w+)==(\S+)", text, re.MULTILINE))
    assert pins == {"numbers": "1.1", "plots": "0.5"}
    assert any(f"with {name}" in line for line in said)
    # A newer release changes nothing: nobody is asked any more.
    index.add("plots", "0.6", "numbers")
    index.asked.clear()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    said.clear()
    again = environments.ensure(folder, say=said.append)
    assert again == made
    assert environments.find(folder) == made
    assert said == []
    assert index.asked == set()


def test_what_changes_is_resolved_again_and_the_rest_stays(
    folder: Path, index: made_up.Index
) -> None:
    _require(folder, "numbers<1.1")
    first = environments.ensure(folder)
    _require(folder, "numbers", "plots")
    assert environments.find(folder) is None
    second = environments.ensure(folder)
    assert first is not None
    assert second is not None
    assert second.packages == {"numbers": "1.0", "plots": "0.5"}
    assert second.folder != first.folder
    third = environments.ensure(folder, upgrade=True)
    assert third is not None
    assert third.packages == {"numbers": "1.1", "plots": "0.5"}
    # A comment is no change.
    (folder / "requirements.txt").write_text("# packages\nnumbers\n\nplots # of sales\n")
    assert environments.find(folder) == third


def test_projects_with_the_same_lock_share_an_environment(
    tmp_path: Path, folder: Path, index: made_up.Index
) -> None:
    _require(folder, "numbers")
    first = environments.ensure(folder)
    other = tmp_path / "other"
    other.mkdir()
    text = (folder / "requirements.lock").read_text()
    assert "numbers==2.0" in text
    pins = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    (other / "requirements.lock").write_text(f"# of another tool\n{pins}")
    second = environments.ensure(other)
    assert first is not None
    assert second == first
    assert {Path(use.folder).name for use in first.uses()} == {"sales", "other"}


def test_wheels_that_travel_with_the_project_need_no_index(
    folder: Path, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.write(folder / "wheels")
    monkeypatch.delenv("PIP_INDEX_URL")
    _require(folder, "--no-index", "--find-links wheels", "plots")
    made = environments.ensure(folder)
    assert made is not None
    assert made.packages == {"plots": "0.5", "numbers": "1.1"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["numbers>=9"], "numbers"),
        (["nothing-of-this-name"], "nothing-of-this-name"),
        (["numbers==1.0", "plots", "numbers>=2"], "numbers"),
        (["numbers =>1 !!"], "numbers"),
        (["-r other.txt"], "other.txt: no such file"),
        (["-e ."], "an environment holds no project of yours"),
        (["."], "an environment holds no project of yours"),
        (["--nonsense"], "requirements.txt"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_requirements_that_cannot_be_are_named(
    lines: list[str], expected: str, folder: Path, index: made_up.Index
) -> None:
    _require(folder, *lines)
    with pytest.raises(InvalidProject, match=re.escape(expected)) as caught:
        environments.ensure(folder)
    assert str(folder / "requirements.txt") in str(caught.value) or "other.txt" in expected
    assert not (folder / "requirements.lock").exists()
    assert environments.environments() == []


def test_no_network_is_called_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _require(folder, "numbers")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(NetworkError, match="PIP_INDEX_URL names a mirror") as caught:
        environments.ensure(folder)
    assert "secret" not in str(caught.value)
    assert environments.environments() == []


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        (
            "ERROR: Could not find a version that satisfies the requirement numbers>=9 (from "
            "versions: 1.0, 2.0)\nERROR: No matching distribution found for numbers>=9\n",
            InvalidProject,
            "numbers>=9",
        ),
        (
            "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError'\n"
            "ERROR: No matching distribution found for numbers\n",
            NetworkError,
            "cannot be fetched",
        ),
        (
            "ERROR: Invalid requirement: 'numbers =>1': Expected end (from line 1 of r.txt)\n",
            InvalidProject,
            "Invalid requirement: 'numbers =>1'",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n",
            InvalidProject,
            "is not the one that the lock has",
        ),
        ("OSError: [Errno 28] No space left on device\n", AzkabanError, "the disk is full"),
        ("error: No space left on device (os error 28)\n", AzkabanError, "the disk is full"),
        ("error: Failed to fetch http://u:p@h/x\n", NetworkError, r"http://\*\*\*@h/x"),
        ("", InvalidProject, "cannot be installed"),
    ],
)
def test_what_uv_and_pip_say_is_told_apart(
    said: str, kind: type[Exception], expected: str, folder: Path
) -> None:
    error = module._error(said, folder / "requirements.txt")
    assert type(error) is kind
    assert re.search(expected, str(error))


def test_a_package_that_was_exchanged_is_not_installed(
    folder: Path, prefix: Path, index: made_up.Index
) -> None:
    _require(folder, "numbers==2.0")
    made = environments.ensure(folder)
    assert made is not None
    environments.prune(unused=timedelta(0))
    assert not made.folder.exists()
    shutil.rmtree(prefix / "cache" / "packages")
    index.files["numbers-2.0-py3-none-any.whl"] = made_up.wheel("numbers", "2.0", "plots")
    with pytest.raises(InvalidProject, match="is not the one that the lock has"):
        environments.ensure(folder)
    assert _folders(prefix) == []


def test_lists_without_hashes_are_no_locks(folder: Path) -> None:
    (folder / "requirements.lock").write_text("numbers==1.0\n")
    with pytest.raises(InvalidProject, match=r"'numbers==1\.0' has no hash"):
        environments.ensure(folder)


def test_a_complete_list_is_its_own_lock(folder: Path, index: made_up.Index) -> None:
    digest = index.add("numbers", "1.0")
    _require(folder, f"numbers==1.0 \\\n    --hash=sha256:{digest}")
    made = environments.ensure(folder)
    assert made is not None
    assert made.packages == {"numbers": "1.0"}
    assert not (folder / "requirements.lock").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("uv.lock", "uv export"),
        ("poetry.lock", "poetry export"),
        ("pyproject.toml", "uv pip compile"),
        ("a.job", "write the packages"),
        ("requirements.txt", "requirements.txt names no package"),
    ],
)
def test_a_folder_that_asks_for_nothing(name: str, words: str, folder: Path) -> None:
    (folder / name).touch()
    assert environments.ensure(folder) is None
    assert environments.find(folder) is None
    with pytest.raises(InvalidProject, match=words):
        lock.read(folder)


def test_what_a_killed_call_left_is_made_again(
    folder: Path, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    _require(folder, "numbers")
    made = environments.ensure(folder)
    assert made is not None
    (made.folder / store.RECORD).unlink()
    (made.folder / "half").touch()
    assert environments.find(folder) is None
    assert environments.environments() == []
    again = environments.ensure(folder)
    assert again is not None
    assert not (again.folder / "half").exists()
    # A Python that has gone from the machine.
    again.python.unlink()
    again.python.symlink_to("/nowhere/python")
    assert environments.find(folder) is None
    repaired = environments.ensure(folder)
    assert repaired is not None
    assert _imports(repaired, "import made_up_numbers; print(1)") == "1"


def test_nothing_is_left_of_one_that_is_interrupted(
    folder: Path, prefix: Path, index: made_up.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    _require(folder, "numbers")

    def interrupted(*_: object) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # The first question is what the Python is, the second what was installed.
        answers = iter([build._ask, interrupted])

        def ask(*asked: Any) -> Any:
            return next(answers)(*asked)

        patch.setattr(build, "_ask", ask)
        with pytest.raises(KeyboardInterrupt):
            environments.ensure(folder)
    assert _folders(prefix) == []
    assert environments.ensure(folder) is not None


def test_two_at_once_make_one(folder: Path, index: made_up.Index) -> None:
    _require(folder, "plots")
    environments.ensure(folder)
    environments.prune(unused=timedelta(0))
    said: list[str] = []
    found: list[environments.Environment | None] = []

    def ensure() -> None:
        found.append(environments.ensure(folder, say=said.append))

    threads = [threading.Thread(target=ensure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2] is not None
    assert sum(line.startswith("made ") for line in said) == 1


def test_set_up_s_uv_is_found_in_its_cache(
    tmp_path: Path, uv: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(prefix / "python"))
    wheels = prefix / "cache" / "installer"
    if not any(wheels.iterdir()):  # uv was on the PATH of whoever runs the tests
        with zipfile.ZipFile(wheels / f"uv-1-py3-none-{platform.machine()}.whl", "w") as archive:
            archive.write(uv, "uv-1.data/scripts/uv")
    found = module._find_uv(tmp_path)
    assert found == tmp_path / "uv"
    shutil.rmtree(prefix / "cache")
    assert module._find_uv(tmp_path) is None


def test_an_unknown_installer_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azkaban_client.config import ConfigError

    _require(folder, "numbers")
    monkeypatch.setenv("AZK_INSTALLER", "conda")
    with pytest.raises(ConfigError, match="AZK_INSTALLER=conda: expected uv or pip"):
        environments.ensure(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3.99", "there is no python3.99 on the PATH"),
        ("/nowhere/python", "/nowhere/python: there is no such interpreter"),
        ("pypy", "expected a version such as 3.12"),
        ("", "expected a version"),
    ],
)
def test_a_python_that_is_not_there(text: str, expected: str, folder: Path) -> None:
    _require(folder, "numbers")
    (folder / ".python-version").write_text(text)
    with pytest.raises(InvalidProject, match=re.escape(expected)):
        environments.ensure(folder)


def test_the_python_that_a_project_names_is_used(folder: Path, index: made_up.Index) -> None:
    _require(folder, "numbers")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (folder / ".python-version").write_text(f"{version}\n")
    first = environments.ensure(folder)
    (folder / ".python-version").write_text(f"{BASE}\n")
    assert environments.ensure(folder) == first


def _fake(prefix: Path, name: str) -> environments.Environment:
    """Make what counts as an environment, without packages."""
    folder = prefix / "environments" / name
    folder.mkdir(parents=True)
    record = {"python": "python", "version": "3.11.2", "sites": [], "packages": {}}
    made = {"made": datetime.now(UTC).isoformat()}
    (folder / "python").symlink_to(BASE)
    (folder / store.RECORD).write_text(json.dumps(record | made))
    found = store.recorded(folder)
    assert found is not None
    return found


def test_prune_keeps_what_an_uploaded_project_uses(folder: Path, prefix: Path) -> None:
    old, new = _fake(prefix, "old"), _fake(prefix, "new")
    environments.record_use(old, folder, project="sales", url="http://a:1")
    environments.record_use(new, folder)
    assert environments.prune(unused=timedelta(0)) == [new.folder]
    new = _fake(prefix, "new")
    environments.record_use(new, folder, project="sales", url="http://a:1")
    # The version before is not the current one any more, but may still run.
    assert not old.needed
    assert environments.prune() == []
    assert environments.prune(unused=timedelta(0), dry=True) == [old.folder]
    assert old.folder.exists()
    assert environments.prune(unused=timedelta(0)) == [old.folder]
    assert not old.folder.exists()
    environments.forget("sales", "http://a:1")
    assert environments.prune(unused=timedelta(0)) == [new.folder]
    assert environments.environments() == []


def test_another_server_s_project_of_the_same_name_keeps_its_own(
    folder: Path, prefix: Path
) -> None:
    old, new = _fake(prefix, "old"), _fake(prefix, "new")
    environments.record_use(old, folder, project="sales", url="http://a:1")
    environments.record_use(new, folder, project="sales", url="http://b:1")
    assert environments.prune(unused=timedelta(0)) == []


def test_what_is_being_made_is_not_pruned(prefix: Path) -> None:
    half = prefix / "environments" / "half"
    half.mkdir(parents=True)
    with store.locked(half) as held:
        assert held
        assert environments.prune(unused=timedelta(0)) == []
    assert environments.prune() == [half]


def test_environments_that_others_could_exchange_are_not_used(folder: Path, prefix: Path) -> None:
    _require(folder, "numbers")
    (prefix / "environments").mkdir()
    (prefix / "environments").chmod(0o777)
    for use in (environments.ensure, environments.find):
        with pytest.raises(AzkabanError, match=f"environments in {prefix}.*environments"):
            use(folder)


def test_without_an_installation_environments_are_the_account_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZK_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert store.root() == tmp_path / ".local" / "share" / "azk" / "environments"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert store.root() == tmp_path / "data" / "azk" / "environments"
    (tmp_path / ".azkaban-jobflow").mkdir()
    (tmp_path / ".azkaban-jobflow" / ".azkaban-jobflow").touch()
    assert store.root() == tmp_path / ".azkaban-jobflow" / "environments"


def test_nothing_that_others_may_change_is_left(
    folder: Path, prefix: Path, index: made_up.Index
) -> None:
    _require(folder, "numbers")
    environments.ensure(folder)
    files = [path for path in (prefix / "environments").rglob("*") if not path.is_symlink()]
    assert [path for path in files if path.stat().st_mode & 0o022] == []
    assert (prefix / "environments").stat().st_mode & 0o077 == 0


# azk ---------------------------------------------------------------------------------------------


@pytest.fixture
def azk(
    azk: Callable[..., Any], prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Keep the installation of these tests, which the other fixture takes away."""
    monkeypatch.setenv("AZK_HOME", str(prefix))
    return azk


def _job(folder: Path, script: str) -> None:
    (folder / "count.job").write_text("type=command\ncommand=${python} count.py\n")
    (folder / "count.py").write_text(script)


def test_azk_env_builds_lists_and_prunes(
    azk: Callable[..., Any],
    folder: Path,
    prefix: Path,
    index: made_up.Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "azk env build" in azk("env", "list").err
    _require(folder, "plots")
    built = azk("env", "build", str(folder))
    assert built.code == 0, built.err
    assert str(folder / "requirements.lock") in built.err
    python = Path(built.out.strip())
    assert python.is_file()
    data = azk("env", "build", str(folder), "--json").json
    assert data["packages"] == {"numbers": "1.1", "plots": "0.5"}
    listed = azk("env", "list", "--json").json
    assert [Path(use["folder"]).name for use in listed[0]["uses"]] == ["sales"]
    assert "sales" in azk("env", "list").out
    assert "every environment is in use" in azk("env", "prune").out
    gone = azk("env", "prune", "--days", "0", "--json").json
    assert gone == [{"folder": data["folder"], "deleted": True}]
    assert not python.exists()


def test_azk_env_build_says_what_is_missing(
    azk: Callable[..., Any], folder: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = azk("env", "build", str(folder))
    assert result.code == 2
    assert "there is no requirements.txt" in result.err
    _require(folder, "numbers")
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    result = azk("env", "build", str(folder))
    assert result.code == 2
    assert "PIP_TIMEOUT" in result.err


def test_a_local_run_uses_the_project_s_packages(
    azk: Callable[..., Any],
    folder: Path,
    prefix: Path,
    index: made_up.Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _require(folder, "numbers")
    _job(folder, "import made_up_numbers\nprint('version', made_up_numbers.VERSION)\n")
    result = azk("run", str(folder), "count", "--local", "--logs")
    assert result.code == 0, result.err
    assert "version 2.0" in result.out + result.err


def test_lint_says_what_the_environment_lacks(
    azk: Callable[..., Any],
    folder: Path,
    prefix: Path,
    index: made_up.Index,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _require(folder, "numbers")
    _job(folder, "import json\nimport made_up_numbers\nimport sklearn.linear_model\n")
    before = azk("lint", str(folder))
    assert before.code == 0
    assert "azk env build" in before.out
    azk("env", "build", str(folder))
    result = azk("lint", str(folder))
    assert result.code == 2
    assert result.out == (
        "count.py:3: error: sklearn is imported (the package scikit-learn), and the project's "
        "environment lacks it: add it to requirements.txt\n"
    )
    assert json.loads(azk("lint", str(folder), "--json").out)[0]["rule"] == "missing-package"


@pytest.mark.parametrize("command", ["upload", "deploy"])
def test_what_is_sent_holds_the_lock_that_was_just_written(
    azk: Callable[..., Any],
    server: Any,
    folder: Path,
    index: made_up.Index,
    command: str,
) -> None:
    """Otherwise the second call would find that the files have changed."""
    _require(folder, "numbers")
    _job(folder, "import made_up_numbers\n")
    uploads = ("fetchProjectLogs", "upload")
    if command == "upload":
        server.play(*uploads, "fetchprojectflows")
        result = azk("upload", "rec56548", str(folder))
    else:
        server.play("fetchProjectLogs", "fetchSchedule, none", *uploads)
        result = azk("deploy", str(folder), "--project", "rec56548")
    assert result.code == 0, result.err
    (sent,) = (asked.body for asked in server.asked if asked.action == "upload")
    assert b"requirements.lock" in sent


@pytest.mark.parametrize("days", ["nan", "inf", "1e300"])
def test_any_number_of_days_is_understood(azk, days) -> None:
    assert azk("env", "prune", "--days", days, "--dry-run").code == 0


def test_whose_server_it_is_can_be_asked_by_an_account_without_a_name(monkeypatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: {}["no name"])
    own = os.geteuid()
    for account, here in ((str(own), True), (str(own + 1), False), ("no-such-account", False)):
        settings = {"server_account": account, "address": "127.0.0.1", "url": None}
        assert _env.is_here(SimpleNamespace(settings=settings)) is here
