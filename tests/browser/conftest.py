"""A real server with three users, and a real Chromium that looks at it.

    python3 -m setup test --browser

``CHROMIUM`` names another browser program than Debian's chromium.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import itertools
import os
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import expect, sync_playwright

from azkaban_client import Bundle
from azkaban_client.files import write_private
from setup import java, maven
from setup.azkaban import Server, Wanted, settings
from setup.layout import CHECKOUT, Layout
from tests.browser.console import PASSWORD, SHOP, WINDOWS, Console, Looked, client_of, launch
from tests.given import archives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page, Route

# Each process prefers ports of its own, apart from those of other tests.
settings.WEB_PORT = 12_000 + 20 * (os.getpid() % 400)
settings.EXECUTOR_PORT = settings.WEB_PORT + 10

numbers = itertools.count(1)
USERS = "".join(f'  <user username="{name}" password="{PASSWORD}"/>\n' for name in ("rea", "noa"))


@pytest.fixture(scope="session")
def azkaban(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over TLS; beside its administrator it knows `rea` and `noa`, who have no role."""
    cache = os.environ.get("AZK_CACHE") or Path("~/.azkaban-jobflow/cache").expanduser()
    layout = Layout(tmp_path_factory.mktemp("console") / "prefix", Path(cache))
    layout.create(need=0)
    server = Server(layout, python=Path(sys.executable))
    (layout.azkaban / "conf").mkdir(parents=True)
    # Written before the first start: a second one could find its ports taken by another server.
    write_private(server.password_file, PASSWORD + "\n")
    admin = f'<user username="{getpass.getuser()}" password="{PASSWORD}" roles="admin"'
    write_private(
        layout.azkaban / "conf" / "azkaban-users.xml",
        f'<azkaban-users>\n  {admin} proxy="robot"/>\n{USERS}'
        '  <role name="admin" permissions="ADMIN"/>\n</azkaban-users>\n',
    )
    with patch.dict(os.environ, XDG_STATE_HOME=str(layout.prefix.parent / "state")):
        server.up(java.ensure(layout), Wanted(tls=True), archives())
    yield server
    server.stop()


@pytest.fixture(scope="session")
def axe(azkaban: Server) -> str:
    """The script that finds barriers in a page."""
    (jar,) = maven.fetch(maven.pinned("web-tests"), azkaban.layout.cache, lambda _: None)
    with zipfile.ZipFile(jar) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/axe.min.js")]
        return archive.read(name).decode()


@pytest.fixture(scope="session")
def chromium(azkaban: Server) -> Iterator[Any]:
    """A browser that trusts our authority alone and finds the host name at our address."""
    authority = x509.load_pem_x509_certificate(azkaban.layout.ca.read_bytes()).public_key()
    key = authority.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = base64.b64encode(hashlib.sha256(key).digest()).decode()
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        browser = launch(playwright, azkaban, f"--ignore-certificate-errors-spki-list={trusted}")
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def modules(chromium: Any) -> Iterator[Page]:
    """An empty page that can import the console's modules."""

    def answer(route: Route) -> None:
        name = urlsplit(route.request.url).path.removeprefix("/")
        if name.endswith(".js"):
            body = (CHECKOUT / "console" / name).read_bytes()
            route.fulfill(body=body, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>empty</title>", content_type="text/html")

    context = chromium.new_context()
    context.route("**/*", answer)
    page = context.new_page()
    page.goto("https://modules.invalid/empty.html")
    yield page
    context.close()


@pytest.fixture(scope="session")
def made() -> dict[str, int]:
    """Projects that several tests look at without changing them, with an execution of each."""
    return {}


@pytest.fixture(scope="session")
def looked(azkaban: Server) -> Looked:
    """A flow that succeeded, was changed, and failed."""
    project = "looked"
    with client_of(azkaban) as client:
        client.create_project(project, "Two versions of a shop")
        runs: list[int] = []
        first = datetime.now(UTC).date() - timedelta(days=40)
        days = (first.isoformat(), (first + timedelta(days=1)).isoformat())
        for day, note, fail in zip(
            days, ("", "# Of the second version\n"), ("no", "yes"), strict=True
        ):
            files = SHOP | {"work.py": note + SHOP["work.py"]}
            files["shop.properties"] += "logical.date=\n"
            with Bundle({name: text.encode() for name, text in files.items()}).temporary() as path:
                client.upload(project, path)
            given = {"fail": fail, "seconds": "0", "logical.date": day}
            runs.append(client.execute(project, "shop", properties=given))
            client.wait(runs[-1])
    return Looked(project, runs[0], runs[1], days)


@pytest.fixture(params=list(WINDOWS))
def window(request: pytest.FixtureRequest) -> str:
    """Name of the window's size and colours."""
    return str(request.param)


@pytest.fixture
def browse(azkaban: Server, chromium: Any, window: str) -> Iterator[Callable[[str], Console]]:
    """Log a user in; at the end nothing may have gone wrong in any of the windows."""
    opened: list[Console] = []

    def log_in(user: str) -> Console:
        console = Console(chromium, azkaban, window)
        opened.append(console)
        if user:
            console.login(user)
            expect(console.page.get_by_role("button", name="Log out")).to_be_visible()
        return console

    yield log_in
    errors = [error for console in opened for error in console.errors]
    for console in opened:
        console.close()
    assert errors == []


@pytest.fixture
def shop(browse: Callable[[str], Console], tmp_path: Path) -> tuple[Console, str]:
    """The administrator's window, and a project with one flow."""
    console = browse("admin")
    name = f"shop{next(numbers):03}"  # none is the beginning of another
    console.make_project(name, SHOP, tmp_path)
    expect(console.page.get_by_role("link", name="shop", exact=True)).to_be_visible()
    return console, name
