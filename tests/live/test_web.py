"""The console as the real server serves it, without a browser."""

from __future__ import annotations

import io
import os
import re
import zipfile
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch
from urllib.parse import urljoin

import pytest
import requests

from azkaban_client import console_files
from azkaban_client.schedules.book import Book, Entry
from azkaban_client.when import When
from setup.azkaban import pages
from setup.layout import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import LiveAzkaban

CONSOLE = CHECKOUT / "console"
FILES = console_files.files()
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "application/x-javascript",  # what Jetty 6 calls it; browsers take it for modules
    ".svg": "image/svg+xml",
}


@pytest.fixture
def base(azkaban: LiveAzkaban) -> str:
    """The server's URL, by its address: the name may lead elsewhere on this machine."""
    port = azkaban.url.rsplit(":", 1)[1]
    return f"http://{azkaban.address}:{port}/"


def get(url: str, **options: object) -> requests.Response:
    return requests.get(url, timeout=20, **options)


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".gz")])
def test_every_file_is_served_without_login(base: str, name: str) -> None:
    for accepted in ("identity", "gzip, deflate, br", "br;q=1.0, gzip;q=0.8, *;q=0.1"):
        answer = get(f"{base}js/console/{name}", headers={"Accept-Encoding": accepted}, stream=True)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == TYPES[Path(name).suffix]
        large = f"{name}.gz" in FILES
        compressed = large and accepted != "identity"
        assert answer.headers.get("Content-Encoding") == ("gzip" if compressed else None), accepted
        assert answer.headers.get("Vary") == ("Accept-Encoding" if large else None)
        sent = answer.raw.read(decode_content=False)
        assert sent == FILES[f"{name}.gz" if compressed else name]


@pytest.mark.parametrize("accepted", ["identity", "gzip"])
def test_browsers_ask_again_for_every_file(base: str, accepted: str) -> None:
    wanted = {"Accept-Encoding": accepted}
    answer = get(f"{base}js/console/app.js", headers=wanted)
    changed = parsedate_to_datetime(answer.headers["Last-Modified"])
    assert changed > datetime.now(UTC)  # no age, so nothing a browser could keep for a part of it
    since = {"If-Modified-Since": answer.headers["Last-Modified"]}
    again = get(f"{base}js/console/app.js", headers=wanted | since)
    assert again.status_code == 304
    assert not again.content


def test_whatever_the_login_page_loads_is_there(base: str) -> None:
    page = get(base).text
    assert 'id="login-form"' in page
    loaded = re.findall(r'(?:src|href)="(/?(?:js/|css/|favicon)[^"]*)"', page)
    assert len(loaded) >= 8
    for path in loaded:
        assert get(urljoin(base, path)).status_code == 200, path


def test_every_script_and_style_of_the_templates_has_a_stand_in(
    base: str, azkaban: LiveAzkaban
) -> None:
    jar = next((azkaban.layout.azkaban / "program/lib").glob("azkaban-[0-9]*.jar"))
    names = pages.template_files(jar)
    assert {"js/azkaban/namespace.js", "js/jquery/jquery-1.9.1.js", "css/azkaban.css"} <= names
    assert len(names) == 69
    stand_ins = {
        suffix: (CONSOLE / "bridge" / f"bridge{suffix}").read_bytes() for suffix in (".js", ".css")
    }
    for name in names:
        assert get(base + name).content == stand_ins[Path(name).suffix], name


def test_the_host_name_leads_to_the_console(base: str, azkaban: LiveAzkaban) -> None:
    with requests.Session() as session:
        form = {"action": "login", "username": azkaban.username, "password": azkaban.password}
        assert session.post(base, data=form, timeout=20).json()["status"] == "success"
        answer = session.get(base, timeout=20, allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("/js/console/index.html")


def test_run_files_want_a_login(base: str) -> None:
    assert get(f"{base}runs?ajax=files&execid=1").json() == {"error": "session"}
    assert 'id="login-form"' in get(f"{base}runs/1/job/report.html").text


@pytest.mark.parametrize(
    "asked",
    [
        "records&execids=1",
        "started&execids=1",
        "health",
        "source&project=nn&version=1",
        "cards&projects=nn",
    ],
)
def test_what_the_viewer_tells_wants_a_login(base: str, asked: str) -> None:
    assert get(f"{base}runs?ajax={asked}").json() == {"error": "session"}


@pytest.mark.parametrize(
    "path",
    ["runs", "runs/", "runs/1", "runs/999999/a/report.html", "runs/x/a/report.html", "runs/1/a"],
)
def test_run_files_that_do_not_exist_are_not_found(
    base: str, azkaban: LiveAzkaban, path: str
) -> None:
    with requests.Session() as session:
        form = {"action": "login", "username": azkaban.username, "password": azkaban.password}
        session.post(base, data=form, timeout=20)
        assert session.get(base + path, timeout=20).status_code == 404


@pytest.fixture
def session(base: str, azkaban: LiveAzkaban) -> Iterator[requests.Session]:
    with requests.Session() as logged_in:
        form = {"action": "login", "username": azkaban.username, "password": azkaban.password}
        logged_in.post(base, data=form, timeout=20).raise_for_status()
        yield logged_in


def test_schedules_made_by_azk_are_told_to_those_who_may_read_their_project(
    base: str, azkaban: LiveAzkaban, session: requests.Session
) -> None:
    about = {"action": "create", "name": "shown", "description": "-"}
    session.post(f"{base}manager", data=about, timeout=20)
    with patch.dict(os.environ, XDG_STATE_HOME=str(azkaban.state)):
        book = Book(azkaban.url)
    asked = f"{base}runs?ajax=schedules"
    assert session.get(asked, timeout=20).json() == {"schedules": []}
    noon = When("daily", "12:00", "UTC")
    with book.changing() as entries:
        for project in ("shown", "of-nobody"):
            entries.append(Entry(project, "only", "noon", noon, options={"properties": {"k": "v"}}))
            entries[-1].miss("2026-11-30T12:00:00+00:00", "it was down")
    assert get(asked).json() == {"error": "session"}
    (shown,) = session.get(asked, timeout=20).json()["schedules"]
    assert (shown["project"], shown["missed"][0]["reason"]) == ("shown", "it was down")
    assert shown["next"].endswith("T12:00:00+00:00")
    assert "options" not in shown
    book.path.write_text('{"entries": [1, ')
    assert session.get(asked, timeout=20).json() == {"schedules": []}
    book.path.unlink()


def upload(base: str, session: requests.Session, project: str, *flows: str) -> None:
    """Make a project of flows of one job each."""
    about = {"action": "create", "name": project, "description": "-"}
    session.post(f"{base}manager", data=about, timeout=20)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for flow in flows:
            archive.writestr(f"{flow}.job", "type=noop\n")
    session.post(
        f"{base}manager",
        data={"ajax": "upload", "project": project},
        files={"file": ("flows.zip", packed.getvalue(), "application/zip")},
        timeout=20,
    )


def start(base: str, session: requests.Session, project: str, flow: str) -> int:
    """Run a flow, even beside itself."""
    asked = {"ajax": "executeFlow", "project": project, "flow": flow, "concurrentOption": "ignore"}
    return int(session.post(f"{base}executor", data=asked, timeout=20).json()["execid"])


def test_the_last_runs_of_projects_are_told_at_once(base: str, session: requests.Session) -> None:
    upload(base, session, "cards", "b", "a", "c", "d")
    upload(base, session, "other", "a")
    numbers = [(flow, start(base, session, "cards", flow)) for flow in ["d", *"ab" * 10, "c"]]
    alone = start(base, session, "other", "a")
    asked = f"{base}runs?ajax=cards&projects=cards,other,of-nobody,,toString"
    cards = session.get(asked, timeout=20).json()["cards"]
    assert set(cards) == {"cards", "other"}
    assert (cards["cards"]["flows"], cards["cards"]["of"]) == (["a", "b", "c", "d"], 4)
    told = [(run["flow"], run["id"]) for run in cards["cards"]["runs"]]
    assert told == numbers[::-1][:20]
    (run,) = cards["other"]["runs"]
    assert set(run) == {"id", "flow", "status", "start", "end"}
    assert run["id"] == alone
    assert session.get(f"{base}runs?ajax=cards", timeout=20).json() == {"cards": {}}


def test_run_files_are_served_and_nothing_beside_them(
    base: str, azkaban: LiveAzkaban, session: requests.Session
) -> None:
    upload(base, session, "files", "only")
    number = start(base, session, "files", "only")

    folder = azkaban.layout.runs / "whatever" / str(number) / "only"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<h1>done</h1>")
    (folder / "model.npz").write_bytes(b"\0\1")
    (folder / "link.txt").symlink_to(azkaban.password_file)
    (azkaban.layout.runs / "whatever" / "secret.txt").write_text("secret")

    listed = session.get(f"{base}runs?ajax=files&execid={number}", timeout=20).json()["files"]
    assert set(listed["only"]) >= {"report.html", "model.npz"}
    page = session.get(f"{base}runs/{number}/only/report.html", timeout=20)
    assert page.text == "<h1>done</h1>"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("sandbox ")
    assert "allow-same-origin" not in page.headers["Content-Security-Policy"]
    (folder / "run.json").write_text(
        '{"status": "failed", "metrics": {"loss": 0.5}, "parameters": {"not": "shown"}}'
    )
    for job, text in {"broken": '{"status": ', "list": "[1]", "deep": "[" * 100_000}.items():
        (folder.with_name(job)).mkdir()
        (folder.with_name(job) / "run.json").write_text(text)
    (folder.with_name("out")).mkdir()
    (folder.with_name("out") / "run.json").symlink_to(azkaban.password_file)
    asked = f"{base}runs?ajax=records&execids={number},999999,x"
    closed = [folder / "closed", folder.with_name("shut")]
    for one in closed:
        one.mkdir(mode=0)
    other = session.get(f"{base}runs?ajax=files&execid={number}", timeout=20).json()["files"]
    assert "run.json" in other["only"]
    assert session.get(asked, timeout=20).json()["records"] == {
        str(number): {
            "only": {"status": "failed", "metrics": {"loss": 0.5}},
            "broken": {},
            "list": {},
            "deep": {},
        }
    }
    for one in closed:
        one.rmdir()
    model = session.get(f"{base}runs/{number}/only/model.npz", timeout=20)
    assert model.content == b"\0\1"
    assert model.headers["Content-Disposition"] == "attachment"

    for outside in (
        "only/link.txt",
        "only/nothing.txt",
        "only",
        "only/%2e%2e/%2e%2e/secret.txt",
        "only/..%2f..%2fsecret.txt",
        "%2fetc%2fpasswd",
    ):
        request = requests.Request("GET", f"{base}runs/{number}/", cookies=session.cookies)
        prepared = request.prepare()
        prepared.url = f"{base}runs/{number}/{outside}"  # as it stands, dots included
        answer = session.send(prepared, timeout=20)
        assert answer.status_code in (400, 404), outside
