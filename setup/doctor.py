"""Look for present and coming problems, and say what to do about them."""

from __future__ import annotations

import ipaddress
import os
import shutil
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import owners
from azkaban_client.secrecy import masked
from setup import environment, java, maven, reach
from setup.azkaban import Server, mail, program
from setup.azkaban.config import mail_password_file
from setup.azkaban.settings import addresses
from setup.called import called
from setup.errors import SetupError
from setup.life import probe, servers
from setup.life.process import port_taken
from setup.python import damage, layers, pip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from setup.layout import Layout

__all__ = ["Finding", "examine"]

LOW_DISK = 500 << 20  # bytes
LOW_FILES = 5000  # inodes: a disk can run out of these first
CLOCK_SLACK = 300.0  # seconds that files may be ahead of the clock, as on a network disk


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check
        What was looked at.
    ok
        Whether it is in order.
    detail
        What was seen.
    fix
        What to do; empty if nothing is wrong.
    """

    check: str
    ok: bool
    detail: str
    fix: str = ""


def examine(layout: Layout) -> list[Finding]:
    """Run every check that applies to an installation."""
    checks: list[Callable[[Layout], Iterator[Finding]]] = [
        _environment,
        _java,
        _installer,
        _disk,
        _clock,
        _downloads,
        _modes,
        _jars,
        _names,
        _certificate,
        _ports,
        _servers,
        _mail,
    ]
    findings = []
    for check in checks:
        try:
            findings += list(check(layout))
        except (SetupError, OSError, ImportError) as error:
            name = check.__name__.lstrip("_")
            findings.append(Finding(name, ok=False, detail=str(error), fix="see the message"))
    return findings


def _environment(layout: Layout) -> Iterator[Finding]:
    lost = damage.lost(layout.env)
    ok = layers.all_current(layout) and not lost
    detail = f"{layout.env} {'matches' if ok else 'does not match'} setup/locks"
    if lost:
        detail = f"{layout.env}: files of {', '.join(sorted(lost))} are gone"
    yield Finding("environment", ok, detail, "" if ok else f"run {called()} env")


def _java(layout: Layout) -> Iterator[Finding]:
    found = java.find(layout)
    if found:
        yield Finding("java", ok=True, detail=f"{found.version}, {found.program}")
    else:
        yield Finding(
            "java", ok=False, detail="none found", fix=f"run {called()} up --java private"
        )


def _disk(layout: Layout) -> Iterator[Finding]:
    """Look at the disks of prefix and cache, and of temporary files."""
    places = {"disk": layout.prefix, "disk of the cache": layout.cache}
    places["disk of temporary files"] = Path(environment.temporary(layout.prefix))
    seen = set()
    for check, folder in places.items():
        if not folder.is_dir() or folder.stat().st_dev in seen:
            continue
        seen.add(folder.stat().st_dev)
        free = shutil.disk_usage(folder).free
        full = os.statvfs(folder)
        files = full.f_files == 0 or full.f_favail > LOW_FILES
        ok = free >= LOW_DISK and files
        detail = f"{free >> 20} MB free" + ("" if files else f", {full.f_favail} files free")
        yield Finding(check, ok, detail, "" if ok else f"make room on the disk of {folder}")


def _installer(_layout: Layout) -> Iterator[Finding]:
    """Find a pip that is too old to install a lock exactly."""
    found = pip.version()
    ok = found is None or found >= pip.OLDEST
    shown = ".".join(map(str, found or ())) or "none, uv or the pip of ensurepip installs"
    oldest = ".".join(map(str, pip.OLDEST))
    fix = f"{pip.interpreter()} -m pip install --upgrade pip (at least {oldest})"
    yield Finding("pip", ok, shown, "" if ok else fix)


def _downloads(layout: Layout) -> Iterator[Finding]:
    """Try to fetch a file from each place that is configured, or that something is missing from."""
    lacking = maven.missing(maven.pinned("azkaban"), layout.cache)
    layout.temporary.mkdir(mode=0o700, exist_ok=True)
    for place in reach.places(missing=lacking):
        found = reach.reach(place, layout.temporary)
        check = "clock" if found.clock else f"downloads ({place.setting})"
        yield Finding(check, found.ok, masked(found.detail), masked(found.fix))


def _clock(layout: Layout) -> Iterator[Finding]:
    """Find a clock that was set back, which confuses schedules: files are from the future."""
    ahead = max((p.stat().st_mtime for p in _state_files(layout)), default=0.0) - time.time()
    ok = ahead < CLOCK_SLACK
    detail = "not behind the newest log" if ok else f"{ahead:.0f} s behind the newest log"
    yield Finding("clock", ok, detail, "" if ok else "set this machine's clock (NTP)")


def _state_files(layout: Layout) -> list[Path]:
    logs = [*layout.azkaban.glob("logs/*"), *layout.prefix.glob("mysql/mysql_files/*.log")]
    return [*logs, *layout.azkaban.glob("*.pid")]


def _modes(layout: Layout) -> Iterator[Finding]:
    """Find files with passwords that other accounts may read."""
    private = [
        *layout.azkaban.glob("*.password"),
        *layout.azkaban.glob("conf/**/*"),
        *layout.azkaban.glob("*.json"),
        layout.client_config,
        *layout.prefix.glob("mysql/*.cnf"),
        *layout.prefix.glob("mysql/*.password"),
        *layout.prefix.glob("tls/*key*"),
    ]
    loose = [p for p in private if p.is_file() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    fix = f"chmod 600 {' '.join(map(str, loose))}" if loose else ""
    detail = f"{len(loose)} private files are readable by others" if loose else "private"
    yield Finding("file modes", not loose, detail, fix)


def _jars(layout: Layout) -> Iterator[Finding]:
    home = program.folder(layout)
    present = program.Program.read(home)
    if present is None:
        return
    wrong = present.changed(home)
    if wrong:
        again = "up: it puts the pinned ones in place"
        then = again if present.stock else "azkaban install with your --distribution"
        fix = f"run {called()} stop, then {called()} {then}"
        yield Finding("jars", ok=False, detail=f"not as installed: {', '.join(wrong)}", fix=fix)
    else:
        count = f"{len(present.jars)} jars of Azkaban {present.version}"
        yield Finding("jars", ok=True, detail=f"{count} as installed")


def _names(layout: Layout) -> Iterator[Finding]:
    """Find a name with two addresses: sessions are bound to one, and clients may switch."""
    server = Server(layout)
    if not server.installed:
        return
    settings = server.settings
    found = sorted(set(addresses(settings.host)))
    shown = f"{settings.host} is {', '.join(found) or 'unknown'}"
    if settings.address not in found and not _only_here(settings.address):
        detail = f"{shown}; the server listens on {settings.address}"
        fix = "have the name point to that address (DNS, or /etc/hosts of each client)"
        yield Finding("host name", ok=False, detail=detail, fix=fix)
    elif settings.address not in found:
        detail = f"{shown}; the server listens on {settings.address}"
        fix = f"nothing for azk, it pins the address; in a browser use {settings.browser_url}"
        yield Finding("host name", ok=True, detail=detail, fix=fix)
    elif len(found) > 1:
        fix = "nothing for azk, it pins one; other clients may lose their session: give them the IP"
        yield Finding("host name", ok=True, detail=shown, fix=fix)
    else:
        yield Finding("host name", ok=True, detail=shown)


def _only_here(address: str) -> bool:
    """Tell whether an address serves this machine's own clients, or all addresses of it."""
    number = ipaddress.ip_address(address)
    return number.is_loopback or number.is_unspecified


def _mail(layout: Layout) -> Iterator[Finding]:
    """Ask the mail server whether it would take mail."""
    server = Server(layout)
    if not server.installed:
        return
    settings = server.settings.mail
    if settings is None:
        fix = (
            f"nothing, or name a mail server: {called()} stop, then {called()} up --mail-host HOST"
        )
        yield Finding("mail", ok=True, detail="the server sends none", fix=fix)
        return
    secret = mail_password_file(layout)
    password = secret.read_text(encoding="utf-8").strip() if settings.user else ""
    why = mail.trouble(settings, password)
    detail = f"{settings.host}:{settings.port} {f'takes none: {why}' if why else 'takes it'}"
    fix = f"set it right, or name another: {called()} stop, then {called()} up --mail-host HOST"
    yield Finding("mail", not why, detail, fix if why else "")


def _ports(layout: Layout) -> Iterator[Finding]:
    """Find ports of stopped servers that another program has taken."""
    server = Server(layout)
    running = server.running()
    for part in server.settings.parts if server.installed else ():
        for address, port in part.ends if part.name not in running else ():
            taken = port_taken(address, port)
            option = f"run {called()} up{' --port N' if part.pages else ', it takes another'}"
            fix = f"stop the program that has it, or {option}" if taken else ""
            state = f"taken by {owners.taken_by(address, port)}" if taken else "free"
            yield Finding(f"port {port}", not taken, f"{address} {state}", fix)


def _certificate(layout: Layout) -> Iterator[Finding]:
    server = Server(layout)
    if not server.installed or not server.settings.tls:
        return
    from setup.tls.certificates import RENEW_DAYS, Certificates

    certificates = Certificates(layout)
    found = certificates.summary()
    early = datetime.fromisoformat(found.begins) > datetime.now(UTC)
    ok = found.days_left >= RENEW_DAYS and not early
    detail = f"for {', '.join(found.names)}, {found.days_left} days left"
    detail += f", valid from {found.begins} on" if early else ""
    renew = f"run {called()} tls renew, or {called()} tls csr"
    fix = "set this machine's clock (NTP)" if early else renew
    if ok:
        certificates.check()
    yield Finding("certificate", ok, detail, "" if ok else fix)


def _servers(layout: Layout) -> Iterator[Finding]:
    server = Server(layout)
    for status in servers.statuses(layout):
        ok = status.state == "running"
        where = f", port {status.port}" if status.port else ""
        yield Finding(
            status.server, ok, f"{status.state}{where}", "" if ok else f"run {called()} up"
        )
    for part in server.settings.parts if server.installed else ():
        process = server.running().get(part.name)
        endpoint = server.endpoint(server.settings, part)
        if process and (strange := probe.strangers(endpoint, process.pid)):
            yield Finding(
                f"{part.name} addresses",
                ok=False,
                detail=f"listens on {sorted(strange)} as well",
                fix=f"run {called()} stop, then {called()} up",
            )
