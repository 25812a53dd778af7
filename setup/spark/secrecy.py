"""Keep the secrets among an application's settings out of command lines."""

from __future__ import annotations

import re
import shlex
import stat
from typing import TYPE_CHECKING

from azkaban_client.secrecy import is_secret as names_secret
from azkaban_client.secrecy import masked_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "DRIVER_JAVA",
    "advice",
    "arguments_file",
    "as_settings",
    "is_open",
    "is_secret",
    "parted",
    "without_secrets",
]

DRIVER_JAVA = "spark.driver.extraJavaOptions"
# Options of spark-submit whose values may hold secrets, and the settings that say the same.
_SETTINGS = {
    "--driver-java-options": DRIVER_JAVA,
    "--repositories": "spark.jars.repositories",
    "--jars": "spark.jars",
}

# What follows a secret's name where a setting says where it is, of which kind, or how long.
_ABOUT = re.compile(
    r"(?:path|file|dir|location|providers?|class|binding|mechanism|type|keytab|enabled|renewer|"
    r"interval|ratio|length|renewal\.credentials)$",
    re.IGNORECASE,
)
_SWITCHES = ("", "true", "false")
_MORE = re.compile(
    r"(?:account|encryption)[._-]?key\b|\bsas\b|(?:^|[._-])(?:pass|pwd|auth)$", re.IGNORECASE
)


def is_secret(name: str, value: str) -> bool:
    """Tell whether a setting is, or has in it, something that nobody else may know.

    Parameters
    ----------
    name, value
        Of the setting.

    Examples
    --------
    >>> is_secret("spark.hadoop.fs.s3a.secret.key", "abc")
    True
    >>> is_secret("spark.sql.catalog.db.url", "jdbc:postgresql://h/d?user=me&password=abc")
    True
    >>> is_secret("spark.hadoop.fs.s3a.aws.credentials.provider", "my.Provider")
    False
    """
    named = names_secret(name) or _MORE.search(name)
    if named and not _ABOUT.search(name) and value.strip().lower() not in _SWITCHES:
        return True
    words = value.split()
    # The user of an address, as in hdfs://me@host, is no secret; a password behind it is.
    return masked_words(words) != words and not re.fullmatch(r"[\w+.-]+://[^\s/:@]*@\S*", value)


def parted(conf: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Part settings, as ``NAME=VALUE``, from those that are secret, by name.

    Examples
    --------
    >>> parted(["spark.x=1", "spark.authenticate.secret=abc"])
    (('spark.x=1',), {'spark.authenticate.secret': 'abc'})
    """
    plain, secret = [], dict[str, str]()
    last = dict(_pair(setting) for setting in conf)
    for setting in conf:
        name, _ = _pair(setting)
        if is_secret(name, last[name]):
            secret[name] = last[name]
        else:
            plain.append(setting)
    return tuple(plain), secret


def as_settings(
    options: Mapping[str, Sequence[str]],
) -> tuple[dict[str, list[str]], list[str]]:
    """Write options that hold secrets as settings, ``NAME=VALUE``, which a file can hold.

    Parameters
    ----------
    options
        Options of spark-submit, and their values; of several the last counts.

    Returns
    -------
    dict, list
        The other options, and the settings.

    Examples
    --------
    >>> as_settings({"--repositories": ["https://me:abc@h/r"], "--jars": ["x.jar"]})
    ({'--jars': ['x.jar']}, ['spark.jars.repositories=https://me:abc@h/r'])
    """
    settings = {
        name: f"{_SETTINGS[name]}={values[-1]}"
        for name, values in options.items()
        if name in _SETTINGS and values and is_secret(_SETTINGS[name], values[-1])
    }
    others = {name: list(values) for name, values in options.items() if name not in settings}
    return others, list(settings.values())


def arguments_file(options: str) -> tuple[list[str], str]:
    r"""Part options of Java that hold secrets from others, for a file that Java reads (``@FILE``).

    Parameters
    ----------
    options
        As in ``extraJavaOptions``.

    Returns
    -------
    list, str
        The other options, and what the file holds; empty where no option holds a secret.

    Examples
    --------
    >>> arguments_file("-Xss4m -Ddb.password='a b'")
    (['-Xss4m'], '"-Ddb.password=a b"\n')
    """
    words = shlex.split(options)
    hidden = [word for word in words if masked_words([word]) != [word]]
    lines = ['"{}"\n'.format(word.replace("\\", r"\\").replace('"', r"\"")) for word in hidden]
    return [word for word in words if word not in hidden], "".join(lines)


def advice(conf: Mapping[str, str], options: Mapping[str, Sequence[str]]) -> str:
    """Say what is better than to write secrets into a command line; empty if there are none.

    Parameters
    ----------
    conf
        The secret settings.
    options
        Other options of spark-submit, and their values.
    """
    words = [(name, value) for name, values in options.items() for value in values]
    shown = {name for name, value in words if without_secrets([name, value])[1] != value}
    names = [*(f"--conf {name}" for name in conf), *sorted(shown)]
    if not names:
        return ""
    is_or_are, it = ("is", "it") if len(names) == 1 else ("are", "them")
    return (
        f"note: {', '.join(names)} {is_or_are} in this command's own line, which everybody on this "
        f"machine can read (ps): put {it} into a --properties-file that you alone may read, or "
        "name a credential provider (spark.hadoop.hadoop.security.credential.provider.path)"
    )


def is_open(path: Path, values: Mapping[str, str]) -> bool:
    """Tell whether a settings file has secrets that other accounts can read.

    Parameters
    ----------
    path, values
        The file, and the settings in it.
    """
    others = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH)
    return bool(others) and any(is_secret(*setting) for setting in values.items())


def without_secrets(words: Sequence[str]) -> list[str]:
    """Hide what is secret in a command, also among the arguments of its program.

    Examples
    --------
    >>> without_secrets(["spark-submit", "--conf", "spark.hadoop.fs.s3a.secret.key=abc", "x.py"])
    ['spark-submit', '--conf', 'spark.hadoop.fs.s3a.secret.key=***', 'x.py']
    >>> without_secrets(["--conf", "spark.files=hdfs://me@host/x", "x.py", "--token", "abc"])
    ['--conf', 'spark.files=hdfs://me@host/x', 'x.py', '--token', '***']
    """
    found = masked_words(words)
    for number, (before, word) in enumerate(zip(("", *words), words, strict=False)):
        if before == "--conf":
            name, value = _pair(word)
            found[number] = f"{name}=***" if is_secret(name, value) else word
    return found


def _pair(setting: str) -> tuple[str, str]:
    name, _, value = setting.partition("=")
    return name.strip(), value
