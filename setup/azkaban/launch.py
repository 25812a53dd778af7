"""Build the command that starts each process of Azkaban."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client import keeper
from setup import trust
from setup.azkaban import agent_options, config, jobs, program
from setup.java import OPTIONS, truststore

if TYPE_CHECKING:
    from setup.azkaban.program import Program
    from setup.azkaban.settings import Mail, Part, Settings
    from setup.java import Java
    from setup.layout import Layout

__all__ = ["command"]

_TLS_OPTIONS = (  # TLS 1.2 and 1.3 with forward secrecy only: the defaults allow static RSA and CBC
    "-Djdk.tls.server.protocols=TLSv1.3,TLSv1.2",
    (
        "-Djdk.tls.server.cipherSuites=TLS_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256,"
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,"
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    ),
    "-Djdk.tls.rejectClientInitiatedRenegotiation=true",
    "-Djdk.tls.namedGroups=x25519,secp256r1,secp384r1",
)


def command(
    layout: Layout, java: Java, present: Program, settings: Settings, part: Part, *, python: Path
) -> list[str]:
    """Return the command of one process; it contains no secret.

    Parameters
    ----------
    layout
        Where the server lives.
    java
        Runs it.
    present
        What runs.
    settings
        What the server is.
    part
        Which process.
    python
        Runs the keepers of its jobs.
    """
    home = layout.azkaban
    place = program.folder(layout)
    own = (settings.executor_port, *settings.more_executors)  # executors ask for no password
    ends = ",".join(
        f"{port}={address}{'=own' if port in own else ''}" for address, port in part.ends
    )
    conf = config.conf_folder(layout, part)
    return [
        str(java.program),
        *OPTIONS,
        f"-Xmx{settings.heap_of(part.kind)}",
        f"-javaagent:{place / 'agent/port-guard.jar'}={ends}",
        f"-Dportguard.output={home / f'logs/{part.name}.out'}",
        *_trusted(),
        f"-Djobs.home={jobs.mark(home)}",
        f"-Djobs.python={python}",
        f"-Djobs.keeper={place / 'agent' / Path(keeper.__file__).name}",
        *agent_options.options(layout, settings),
        *(("-Dportguard.pages=bridged",) if present.stock else ()),  # see pages.py
        f"-Djava.io.tmpdir={home / 'temp'}",
        "-Dfile.encoding=UTF-8",
        f"-Dlog4j.configuration={(conf / 'log4j.properties').as_uri()}",
        *truststore.options(config.truststore(layout)),
        *_leave_when_full(java),
        *(_later(java) if present.several_executors else ()),
        *(_mail_options(settings.mail) if settings.mail else ()),
        *(_TLS_OPTIONS if settings.tls else ("-Dletters.scheme=http://",)),
        *("-cp", present.classpath(place, part.kind)),
        present.classes[part.kind],
        *("-conf", str(conf)),
    ]


def _trusted() -> tuple[str, ...]:
    """Tell the agent which accounts' servers are spoken to as well (``AZK_TRUST``)."""
    found = ",".join(map(str, trust.accounts()))
    return (f"-Dportguard.trusted={found}",) if found else ()


def _leave_when_full(java: Java) -> tuple[str, ...]:
    """End a Java that runs out of memory: what is left of it would answer and do nothing."""
    return ("-XX:+ExitOnOutOfMemoryError",) if java.release >= (8, 0, 92) else ()


def _later(java: Java) -> tuple[str, ...]:
    """List options that Azkaban 3 and 4 need: their Guice defines classes in Java's packages."""
    return ("--add-opens=java.base/java.lang=ALL-UNNAMED",) if java.major >= 9 else ()


def _mail_options(mail: Mail) -> tuple[str, ...]:
    """List what PortGuard passes to JavaMail: 2.5.0 has no setting for port or encryption."""
    options = [f"-Dmail.smtp.port={mail.port}", f"-Dmail.smtp.auth={str(bool(mail.user)).lower()}"]
    if mail.tls:
        options += [
            "-Dmail.smtp.starttls.enable=true",
            "-Dmail.smtp.starttls.required=true",
            "-Dmail.smtp.ssl.checkserveridentity=true",
        ]
    return tuple(options)
