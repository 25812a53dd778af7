"""Check all settings of a server together, before any of them is saved or anything is stopped.

Each later start uses what is saved, so a value with which the server would not start must be
refused while the earlier one is still there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup import java as java_module
from setup import limits
from setup.azkaban import mail, timezone
from setup.azkaban.users import Users
from setup.called import called
from setup.errors import UsageError
from setup.messages import step
from setup.numbers import megabytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from setup.azkaban.settings import Settings, Wanted
    from setup.java import Java
    from setup.layout import Layout

__all__ = ["accept", "own_properties", "users_file"]

_USERS_FILE = "user.manager.xml.file"


def accept(layout: Layout, java: Java, settings: Settings, wanted: Wanted) -> None:
    """Refuse settings with which the server would not start.

    Parameters
    ----------
    layout
        Where the server lives, with the user's own files.
    java
        Shall run it.
    settings
        What it is to be.
    wanted
        What was asked for just now.

    Raises
    ------
    SetupError
        Naming the value, where it comes from, and what to do; nothing was saved.
    """
    _properties(layout, settings)
    if (users := users_file(layout)) and users.is_file():
        Users(users)  # as the server will read it
    heap = max((settings.heap_of(part.kind) for part in settings.parts), key=megabytes)
    java_module.require(java, [f"-Xmx{heap}"], "--heap")
    if wanted.heap and megabytes(heap) > limits.memory() >> 20:
        raise UsageError(
            f"--heap {heap}: this machine, or this account's share of it, has "
            f"{limits.memory() >> 20} MB of memory"
        )
    limits.require_heap(megabytes(heap))
    if settings.database == "mysql":
        from setup.mysql import Server as MySQL

        MySQL(layout).check()
    if settings.tls:
        from setup.tls.certificates import Certificates

        Certificates(layout).accept(settings.host)
    _mail(wanted)


def _mail(wanted: Wanted) -> None:
    """Refuse a mail server that would take no mail."""
    if wanted.mail is None:
        return
    place = f"{wanted.mail.host}:{wanted.mail.port}"
    with step("mail") as shown:
        shown.update(f"asking {place}")
        if why := mail.trouble(wanted.mail, wanted.mail_password or "", wanted.mail_test):
            raise UsageError(
                f"--mail-host {place}: no mail can be sent: {why}; set it right, or leave "
                "--mail-host out"
            )
        sent = f", a test mail is on its way to {wanted.mail_test}" if wanted.mail_test else ""
        shown.done(f"{place} takes it{sent}")


def own_properties(path: Path) -> dict[str, str]:
    """Read the user's own properties; none if there is no such file.

    Raises
    ------
    UsageError
        When the file cannot be understood.
    """
    import javaproperties

    try:
        return javaproperties.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def users_file(layout: Layout) -> Path | None:
    """Return the file with the users; None where the user's own properties name another manager."""
    own = own_properties(layout.azkaban / "conf" / "local.properties")
    if "user.manager.class" in own:
        return None
    return layout.azkaban / own.get(_USERS_FILE, "conf/azkaban-users.xml")  # where the server runs


def _properties(layout: Layout, settings: Settings) -> None:
    """Refuse the user's own properties where set-up would look for the server elsewhere."""
    path = layout.azkaban / "conf" / "local.properties"
    own = own_properties(path)
    port = "jetty.ssl.port" if settings.tls else "jetty.port"
    fixed: Mapping[str, tuple[object, str]] = {
        port: (settings.port, f"choose it with {called()} up --port N"),
        "executor.port": (settings.executor_port, "set-up chooses a free one"),
        "jetty.use.ssl": (str(settings.tls).lower(), f"choose it with {called()} up --tls"),
    }
    for name, (value, way) in fixed.items():
        if name in own and own[name].strip() != str(value):
            raise UsageError(f"{path}: {name}={own[name]}: {way}, and take the line out")
    for name in ("portguard.upload", "portguard.unpacked", "portguard.entries"):
        if not own.get(name, "1").strip().isdecimal():
            raise UsageError(f"{path}: {name}={own[name]}: expected a whole number")
    if zone := own.get("default.timezone.id"):
        try:
            timezone.resolve(zone)
        except ValueError as error:
            raise UsageError(f"{path}: default.timezone.id={error}") from None
