"""Every file that `azk` reads, as people and programs spoil them: named, exit 2, no traceback."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azkaban_client import Bundle, collect
from azkaban_client.errors import InvalidProject
from azkaban_client.flow.lint import lint
from azkaban_client.flow.local import run

NODES = "nodes:\n- {name: a, type: noop}\n"
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "m0: &m0 {x: y}\n" + "".join(
    f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40)
)
SPOILT = {
    "gbk.flow": f"# 每日\n{NODES}".encode("gbk"),
    "deep.flow": b"nodes: " + b"[" * 20_000,
    "deeper.flow": b"nodes: " + b"{a: " * 20_000,
    "cyclic.flow": b"nodes: &n [*n]\n",
    "laughs.flow": (LAUGHS + NODES).encode(),
    "merges.flow": (MERGES + NODES).encode(),
    "binary.flow": bytes(range(256)) * 40,
    "truncated.flow": b"nodes:\n- {name: a, type",
    "tag.flow": b"nodes: !!python/object/apply:os.system ['true']\n",
    "utf16.job": "type=noop\n".encode("utf-16"),
    "utf16be.job": b"\xfe\xff" + "type=noop\n".encode("utf-16-be"),
    "mark.job": b"\xef\xbb\xbftype=noop\n",
    "zeros.job": b"type=noop\0\n",
    "escape.job": b"type=noop\nx=\\u12\n",
    "binary.properties": bytes(range(256)) * 40,
    "utf16.properties": "a=b\n".encode("utf-16"),
}
COMMANDS = (("lint",), ("graph",), ("run", "--local"), ("upload",))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_file_is_named(azk, tmp_path, name, command) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / name).write_bytes(SPOILT[name])
    if name.endswith(".flow"):
        (folder / "p.project").write_text("azkaban-flow-version: 2.0\n")
    elif name.endswith(".properties"):
        (folder / "a.job").write_text("type=noop\n")
    before = sorted(tmp_path.rglob("*"))
    args = {"upload": ["upload", "p"], "run": ["run", "--local"]}.get(command[0], list(command))
    flow = [name.partition(".")[0]] if command[0] == "run" else []
    result = azk("--url", "http://127.0.0.1:9", *args, str(folder), *flow)
    if name == "mark.job" and command[0] in ("graph", "run"):
        return  # the loader reads it; what it makes of the job is the linter's to say
    assert result.code == 2
    assert name in result.out + result.err
    assert "Traceback" not in result.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_flow_file_of_gigabytes_is_not_read(azk, tmp_path, monkeypatch) -> None:
    with (tmp_path / "a.job").open("wb") as stream:
        stream.truncate(3 << 30)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read"))
    result = azk("lint", str(tmp_path))
    assert (result.code, "a.job: 3072 MB: no flow file is that large" in result.err) == (2, True)


def test_bombs_in_a_zip(azk, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.job", b" " * (65 << 20))
    result = azk("lint", str(tmp_path / "p.zip"))
    assert (result.code, "a.job: 65 MB" in result.err) == (2, True)


# -- as macOS, Windows and Chinese editors save projects ---------------------------------------


def raw_zip(path: Path, entries: dict[bytes, bytes]) -> Path:
    """Write names as bytes, without the flag that says that they are UTF-8."""
    stand_ins = {f"{number}".encode().rjust(len(name), b"_"): name
                 for number, name in enumerate(entries)}  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for stand_in, name in stand_ins.items():
            archive.writestr(stand_in.decode(), entries[name])
    data = path.read_bytes()
    for stand_in, name in stand_ins.items():
        data = data.replace(stand_in, name)
    path.write_bytes(data)
    return path


def test_names_in_utf_8_without_the_flag(azk, tmp_path) -> None:
    job = "每日.job".encode()
    path = raw_zip(tmp_path / "p.zip", {job: b"type=noop\n", b"__MACOSX/._a.job": b"\0\1"})
    assert "每日.job" in Bundle.from_zip(path).names
    assert azk("lint", str(path)).code == 0
    result = azk("run", "--local", str(path), "每日", "--json")
    assert (result.code, result.json["status"]) == (0, "SUCCEEDED")


def test_names_that_the_server_cannot_unpack(azk, tmp_path) -> None:
    path = raw_zip(tmp_path / "p.zip", {"每日.job".encode("gbk"): b"type=noop\n"})
    for command in (["lint"], ["graph"], ["upload", "p"]):
        result = azk("--url", "http://127.0.0.1:9", *command, str(path))
        assert result.code == 2
        assert "'每日.job'" in result.err
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.job", "type=noop\n")
    result = azk("lint", str(tmp_path / "b.zip"))
    assert (result.code, "a.job is compressed in a way" in result.err) == (2, True)


@pytest.mark.parametrize("name", ["../../x.job", "a/../../x.job", "..", "/../x.job"])
def test_a_name_that_leads_out(azk, tmp_path, name) -> None:
    place = tmp_path / "a" / "b"  # so deep that what gets out stays in this test's own folder
    place.mkdir(parents=True)
    with zipfile.ZipFile(place / "p.zip", "w") as archive:
        archive.writestr("a.job", "type=noop\n")
        archive.writestr(zipfile.ZipInfo(name), "type=noop\n")
    for command in (["lint"], ["graph"], ["upload", "p"], ["run", "--local"]):
        flow = ["a"] if command[0] == "run" else []
        result = azk("--url", "http://127.0.0.1:9", *command, str(place / "p.zip"), *flow)
        assert (result.code, "leads out of the folder" in result.err) == (2, True)
    assert not list(tmp_path.rglob("x.job"))


def test_windows_names_and_marks() -> None:
    found = lint(
        Bundle({"a.job": b"\xef\xbb\xbf# note\r\ntype=noop\r\n", "d\\b.job": b"type=noop"})
    )
    assert [(one.file, one.severity, one.rule) for one in found] == [
        ("a.job", "warning", "byte-order-mark"),
        ("d\\b.job", "error", "backslash"),
    ]
    found = lint(Bundle({"a.job": b"\xef\xbb\xbftype=noop\r\n", "B.JOB": b"", "c.job.txt": b""}))
    assert {(one.file, one.rule) for one in found if one.rule != "no-type"} == {
        ("a.job", "byte-order-mark"),
        ("B.JOB", "ignored-file"),
        ("c.job.txt", "ignored-file"),
    }
    mark = next(one for one in found if one.rule == "byte-order-mark")
    assert "'ï»¿type'" in mark.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_mark_that_the_server_skips(encoding) -> None:
    files = {
        "p.project": "azkaban-flow-version: 2.0\n".encode(encoding),
        "f.flow": f"# 每日\n{NODES}".encode(encoding),
    }
    assert lint(Bundle(files)) == []
    assert list(run(Bundle(files), "f"))[-1].execution.succeeded


def test_comments_in_any_language() -> None:
    for encoding in ("utf-8", "gbk", "shift_jis"):
        job = "# 毎日\ntype=noop\n! 毎日\n".encode(encoding)
        assert lint(Bundle({"a.job": job})) == []
    (found,) = lint(Bundle({"a.job": "# 每日\ntype=noop\nx=每日\n".encode()}))
    assert (found.line, found.rule) == (3, "not-ascii")


def test_links_are_followed_and_loops_named(tmp_path) -> None:
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "a.job").write_text("type=noop\n")
    (tmp_path / "current").symlink_to("v2")
    (tmp_path / "again").symlink_to("current")
    assert collect(tmp_path).names == ("again/a.job", "current/a.job", "v2/a.job")
    (tmp_path / "v2" / "up").symlink_to("..")
    with pytest.raises(InvalidProject, match=r"v2/up: a link back to the folder"):
        collect(tmp_path)


# -- other files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"url = '\xff'", "cannot be read"),
        (b"x = " + b"[" * 100_000, "cannot be read"),
        (b"\0\1", "cannot be read"),
        (b"known = 5", "expected a list"),
    ],
)
def test_settings_that_cannot_be_read(azk, tmp_path, data, words) -> None:
    (tmp_path / "azk.toml").write_bytes(data)
    result = azk("config", "show")
    assert result.code == 2
    assert words in result.err
    assert "azk.toml" in result.err


def test_marks_in_settings_and_passwords(azk, tmp_path, server) -> None:
    (tmp_path / "azk.toml").write_bytes(b"\xef\xbb\xbftimeout = 7\r\n")
    assert azk("config", "show", "--json").json["timeout"]["value"] == 7
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfazkaban\r\n")
    server.play("fetchexecflow at the end")
    assert azk("status", "32", "--json").code == 0


@pytest.mark.parametrize("data", [b"\xff\xfe", b"machine", b"{" * 10_000])
def test_a_netrc_that_cannot_be_read(azk, tmp_path, data) -> None:
    (tmp_path / "netrc").write_bytes(data)
    result = azk("--url", "http://127.0.0.1:9", "status", "1")
    assert result.code in (3, 6)
    assert ".netrc is not used" in result.err


@pytest.mark.parametrize("data", [b"\xff", b"[" * 100_000, b"5", b"{}", b"\0"])
def test_a_spoilt_session_counts_as_none(azk, tmp_path, server, data) -> None:
    server.play("fetchexecflow at the end")
    assert azk("status", "32").code == 0
    (kept,) = (tmp_path / "state").rglob("*.json")
    kept.write_bytes(data)
    server.play("fetchexecflow at the end")
    assert azk("status", "32").code == 0


@pytest.mark.parametrize("outputs", ["[" * 100_000, '{"a":' * 100_000, "\\0", "9" * 10_000])
def test_outputs_that_cannot_be_read(outputs) -> None:
    files = {
        "a.job": b"type=command\ncommand=bash out.sh\n",
        "out.sh": b"cat big.txt > $JOB_OUTPUT_PROP_FILE\n",
        "big.txt": outputs.encode(),
    }
    assert list(run(Bundle(files), "a"))[-1].execution.succeeded


# -- anything at all -------------------------------------------------------------------------

_LINES = st.sampled_from(
    ["type=command", "type=noop", "command=ls", "dependencies=b", "x=${y}", "y=${x_${x}}", "\\",
     "=", ":", "retries=\\u0031", "# 每", "flow.name=a", "type=flow", "root.node=true", "x=$(1)"]
)  # fmt: skip
_PIECES = st.sampled_from(
    ["nodes:", "- name: a", "  type: noop", "&x", "*x", "<<: *x", "? ", "- ", "{", "}", "[", "]",
     "condition: (", "dependsOn: [a]", "trigger:", "config: {a: b}", "!!set", "%YAML 1.1", "---",
     "'", '"', "\t", "type: flow", "|", "schedule: {type: cron, value: '0 0 1 ? * *'}"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    job=st.lists(_LINES, max_size=8).map("\n".join).map(str.encode) | st.binary(max_size=200),
    flow=st.lists(_PIECES, max_size=12).map("\n".join).map(str.encode) | st.binary(max_size=200),
    second=st.booleans(),
)
def test_nothing_that_stands_in_a_file_is_a_traceback(job, flow, second) -> None:
    files = {"a.job": job, "b.job": b"type=noop", "p.properties": job, "f.flow": flow}
    if second:
        files["p.project"] = b"azkaban-flow-version: 2.0"
    problems = lint(Bundle(files))
    json.dumps([str(one) for one in problems])
    assert all(one.message and one.file for one in problems)
