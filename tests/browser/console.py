"""A window on the console, steps that many tests take in it, and a project to take them with."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from azkaban_client import Client

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Playwright

    from setup.azkaban import Server

PASSWORD = "correct horse"  # of the users that we add
CONSOLE = "js/console/index.html"  # where every server has it; stock 2.5.0 also shows it at /
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WINDOWS = {
    "desktop": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}


def launch(playwright: Playwright, server: Server, *flags: str) -> Browser:
    """Start a browser that finds the server's host name at its address."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert program, "no chromium: install Debian's package chromium, or name one in CHROMIUM"
    names = f"--host-resolver-rules=MAP {server.settings.host} {server.settings.address}"
    return playwright.chromium.launch(executable_path=program, args=[*FLAGS, names, *flags])


def client_of(server: Server) -> Client:
    """Return a client of the server's administrator."""
    at = server.settings
    auth = (at.user, server.password)
    return Client(at.url, auth=auth, address=at.address, verify=str(server.layout.ca))


@dataclass(frozen=True)
class Looked:
    """A project that tests look at: two versions, a run that succeeded and one that failed."""

    project: str
    good: int
    bad: int
    days: tuple[str, str]  # for which they were


class Console:
    """One window on the console, and everything that went wrong in it."""

    def __init__(self, browser: Any, server: Server, window: str) -> None:
        self.server = server
        self.url = server.settings.url
        self.errors: list[str] = []
        self.context = browser.new_context(**WINDOWS[window])
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._asked)
        self.page.on("requestfailed", self._failed)

    def _said(self, message: Any) -> None:
        # Azkaban's answer when a run ends while a page asks for its log; the page asks again.
        ended = "Running flow " in message.text
        if message.type == "error" and not ended:
            self.errors.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.errors.append(f"request to {request.url}")

    def _failed(self, request: Any) -> None:
        # Leaving a page breaks off what it asked for: that is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.errors.append(f"failed: {request.url} {request.failure}")

    def login(self, user: str, password: str = PASSWORD) -> Console:
        """Log in on the console; the user "admin" is the server's administrator."""
        if user == "admin":
            user, password = self.server.settings.user, self.server.password
        self.page.goto(f"{self.url}/{CONSOLE}")
        self.page.get_by_label("User").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        return self

    def open(self, route: str = "") -> Page:
        """Show a page of the console and wait until it is there."""
        self.page.goto(f"{self.url}/{CONSOLE}#/{route}")
        here = json.dumps(self.page.evaluate("location.hash"))  # not the page that was before
        shown = f"main#main:not([aria-busy])[data-address={here}] h1"
        expect(self.page.locator(shown).first).to_be_visible()
        return self.page

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def in_dialog(self) -> Any:
        return self.page.get_by_role("dialog")

    def confirm(self) -> None:
        """Press the dialog's main button and wait until it closes."""
        self.in_dialog().locator("button[type=submit]").click()
        expect(self.in_dialog()).to_have_count(0)

    def make_project(self, name: str, files: dict[str, str], folder: Path) -> None:
        """Create a project and upload a zip, as a user does it."""
        page = self.open()
        self.button("New project").click()
        page.get_by_label("Name").fill(name)
        page.get_by_label("Description").fill(f"About {name}")
        self.confirm()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        archive = folder / f"{name}.zip"
        with zipfile.ZipFile(archive, "w") as target:
            for path, text in files.items():
                target.writestr(path, text)
        self.button("Upload zip").click()
        page.get_by_label("Zip file").set_input_files(archive)
        self.confirm()

    def execution(self) -> int:
        """The number of the execution that is shown."""
        self.page.wait_for_url(re.compile("#/execution/"))
        return int(urlsplit(self.page.url).fragment.split("/")[2])

    def wait_for_status(self, word: str, seconds: float = 60) -> None:
        expect(self.page.locator(".run-state .badge")).to_have_text(word, timeout=seconds * 1000)

    def close(self) -> None:
        self.context.close()


def barriers(page: Page, axe: str) -> list[str]:
    """What axe finds by WCAG 2.2 A and AA."""
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],"
        # 4.1.1 is no part of WCAG 2.2; plots of one page share ids.
        " rules: {'duplicate-id': {enabled: false}}})"
    )
    return [
        f"{problem['id']}: {node['html'][:120]} {node['failureSummary']}"
        for problem in found["violations"]
        for node in problem["nodes"]
    ]


def job(command: str, *, needs: str = "", **more: str) -> str:
    """A .job file that runs a command."""
    lines = ["type=command", f"command={command}"]
    if needs:
        lines.append(f"dependencies={needs}")
    lines += [f"{key}={value}" for key, value in more.items()]
    return "\n".join(lines) + "\n"


WORK = """\
import sys, time
what, seconds, fail = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "yes"
for i in range(4):
    print(f"{what} line {i}", flush=True)
    time.sleep(seconds / 4)
if fail:
    print("ERROR nothing left to do")
    sys.exit(1)
"""

SHOP = {
    "shop.properties": "seconds=0.4\nfail=no\n",
    "work.py": WORK,
    "shop-users.job": job("python3 work.py users ${seconds} no"),
    "shop-orders.job": job("python3 work.py orders ${seconds} no"),
    "shop-join.job": job("python3 work.py join ${seconds} ${fail}", needs="shop-users,shop-orders"),
    "shop-slow.job": job("python3 work.py slow ${seconds} no", needs="shop-orders"),
    "shop.job": job("python3 work.py shop ${seconds} no", needs="shop-join,shop-slow"),
}
