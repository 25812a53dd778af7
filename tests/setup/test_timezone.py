"""Time zones: however they are written, named before they are kept."""

from __future__ import annotations

import argparse
import shutil
import struct
import zipfile
from importlib import resources
from pathlib import Path

import pytest

from setup.azkaban import Settings, Wanted, options, timezone
from setup.azkaban.settings import choose
from setup.errors import UsageError

BEFORE = Settings(
    host="h", address="127.0.0.1", port=8081, executor_port=12321, user="me", timezone="CST"
)


def copied(name: str, to: Path) -> Path:
    """Copy a zone to `etc/localtime`, as container images and some installers do."""
    to.mkdir(exist_ok=True)
    with resources.as_file(resources.files("tzdata") / "zoneinfo" / name) as file:
        shutil.copyfile(file, to / "localtime")
    return to


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":America/New_York", "America/New_York"),
        ("US/Eastern", "US/Eastern"),
        ("EST5EDT", "EST5EDT"),
        ("Etc/GMT+5", "Etc/GMT+5"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        (":/usr/share/zoneinfo/posix/Asia/Tokyo", "Asia/Tokyo"),
    ],
)
def test_each_way_of_tz_is_resolved(text: str, name: str, tmp_path: Path) -> None:
    assert timezone.of_machine({"TZ": text}, tmp_path) == name
    assert timezone.resolve(text) == name


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("CST", "America/Chicago, Asia/Shanghai"),
        ("cest", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("Mars/Phobos", "Europe/Berlin or UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin or UTC"),
        ("localtime", "Europe/Berlin or UTC"),
        ("/etc/passwd", ""),
    ],
)
def test_what_is_no_name_is_refused_with_names(text: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="TZ") as caught:
        timezone.of_machine({"TZ": text}, tmp_path)
    assert meant in str(caught.value)
    assert "--timezone" in str(caught.value)


def test_the_option_is_read_in_the_same_way() -> None:
    parser = argparse.ArgumentParser(parents=[options.server_options()], exit_on_error=False)
    assert parser.parse_args(["--timezone", ":Asia/Tokyo"]).timezone == "Asia/Tokyo"
    with pytest.raises(argparse.ArgumentError, match=r"America/Chicago"):
        parser.parse_args(["--timezone", "CST"])


def test_localtime_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    with pytest.MonkeyPatch.context() as patch:  # whether this machine has such a file or not
        patch.setattr(Path, "is_file", lambda path: path.name == "localtime")
        assert timezone.of_machine({}, tmp_path) == "Asia/Tokyo"
    assert timezone.of_machine({}, tmp_path / "nothing") == "UTC"
    assert timezone.of_machine({"TZ": ""}, tmp_path / "nothing") == "UTC"


@pytest.mark.parametrize("name", ["America/New_York", "Asia/Kolkata", "Europe/Berlin", "UTC"])
def test_localtime_is_a_copy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etc = copied(name, tmp_path / "etc")
    assert timezone.of_machine({}, etc) == name
    # Another release's file has the same hours by other bytes.
    monkeypatch.setattr(timezone, "_is_copy", lambda *_: False)
    assert timezone.of_machine({}, etc) == name
    assert timezone.of_machine({"TZ": f":{etc}/localtime"}, etc) == name


def test_a_rare_copy_has_a_name_of_the_same_hours(tmp_path: Path) -> None:
    found = timezone.of_machine({}, copied("Australia/Lord_Howe", tmp_path / "etc"))
    assert found in ("Australia/LHI", "Australia/Lord_Howe")


@pytest.mark.parametrize("content", [b"", b"no zone"])
def test_a_localtime_that_is_no_zone_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "localtime").write_bytes(content)
    with pytest.raises(UsageError, match=r"localtime is not a copy of a time zone.*--timezone"):
        timezone.of_machine({}, tmp_path)


def test_what_an_earlier_release_kept_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"time zone of this server, 'CST'.*--timezone"):
        choose(Wanted(), BEFORE)
    monkeypatch.setenv("TZ", "CST")  # does not matter where one is asked for
    assert choose(Wanted(timezone="Asia/Tokyo"), BEFORE).timezone == "Asia/Tokyo"
    assert choose(Wanted(timezone="UTC"), None).timezone == "UTC"
    with pytest.raises(UsageError, match="TZ='CST'"):
        choose(Wanted(), None)


def test_a_zone_that_python_knows_and_azkaban_does_not(tmp_path: Path) -> None:
    """Joda-Time lists its zones as texts, and pairs of numbers of texts."""
    texts = ["Europe/Berlin", "US/Eastern", "America/New_York"]
    content = struct.pack(">H", len(texts))
    content += b"".join(struct.pack(">H", len(text)) + text.encode() for text in texts)
    content += struct.pack(">HHHHH", 2, 0, 0, 1, 2)
    jar = tmp_path / "joda-time-2.0.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("org/joda/time/tz/data/ZoneInfoMap", content)
    assert timezone.known_to([tmp_path / "other.jar", jar]) == {"Europe/Berlin", "US/Eastern"}
    timezone.require("US/Eastern", [jar])
    with pytest.raises(UsageError, match=r"'Europe/Kyiv': this Azkaban does not know.*--timezone"):
        timezone.require("Europe/Kyiv", [jar])
    timezone.require("Europe/Kyiv", [])  # nothing is known of what it knows
