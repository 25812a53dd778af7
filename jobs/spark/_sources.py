"""Read texts by Spark from wherever the cluster reaches: ``file:``, ``hdfs://``, ``s3a://``."""

from __future__ import annotations

import glob
import os
import re
from contextlib import contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from azkaban_client.job import InputError
from jobs.spark._common import spark_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "FORMATS",
    "format_of",
    "home_of",
    "labelled",
    "lines",
    "located",
    "places",
    "require_new",
    "unreadable",
    "whole",
]

FORMATS = ("auto", "csv", "parquet", "text")

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_PATTERN = re.compile(r"([*?\[\]{}\\])")
_SUFFIXES = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".txt": "text"}
_PACKED = {".gz", ".bz2", ".lz4", ".snappy", ".zst", ".deflate"}
_NO_S3A = (
    "this Spark has no jars for s3a: add --packages org.apache.hadoop:hadoop-aws:{} to spark submit"
)
# What executors say of files that are damaged or no such files.
_BROKEN = re.compile(
    r"^(?:Caused by: )?(?:[\w.]+: )?(.*(?:Malformed|while reading file|a Parquet file|ooter).*)$",
    re.MULTILINE,
)
_CODES = re.compile(r"^\[[\w.]+\] |\.?\s*SQLSTATE: \w+")
# As Python's csv module reads; by default Spark knows neither doubled quotes nor line ends in them.
_CSV = {
    "header": True,
    "quote": '"',
    "escape": '"',
    "multiLine": True,
    "encoding": "UTF-8",
    "mode": "FAILFAST",
}


def home_of(context: Any) -> str:
    """Return the user's folder in the cluster's own file system, which is `fs.defaultFS`.

    Parameters
    ----------
    context
        Spark's.

    Returns
    -------
    str
        Such as ``hdfs://host:8020/user/me``; empty where it is the file system of the machine.
    """
    hadoop = context._jvm.org.apache.hadoop  # noqa: SLF001 (PySpark has no public way to ask)
    settings = context._jsc.hadoopConfiguration()  # noqa: SLF001
    where = hadoop.fs.FileSystem.getDefaultUri(settings)
    if where.getScheme() == "file":
        return ""
    root = str(where.toString()).rstrip("/")
    homes = str(settings.get("dfs.user.home.dir.prefix", "/user")).rstrip("/")
    user = hadoop.security.UserGroupInformation.getCurrentUser().getShortUserName()
    return f"{root}{homes}/{user}"


def places(names: str, key: str, home: str = "") -> list[str]:
    """Write comma-separated paths and URLs as Spark reads them.

    Parameters
    ----------
    names
        The paths and URLs.
    key
        The property that names them, for messages.
    home
        As of `home_of`: a path without a scheme is one of that file system, as Spark itself has it.
        If empty, it is one of this machine, which the executors must have, too.

    Raises
    ------
    InputError
        When a path of this machine does not exist, or none is named.

    Examples
    --------
    >>> places("hdfs:///texts/*.csv, s3a://bucket/more.csv", "spark.load.data")
    ['hdfs:///texts/*.csv', 's3a://bucket/more.csv']
    >>> places("/a.csv,b.csv", "spark.load.data", "hdfs://host:8020/user/me")
    ['hdfs://host:8020/a.csv', 'hdfs://host:8020/user/me/b.csv']
    """
    whole = [names] if not home and _exists(names) else names.split(",")
    found = [_place(name.strip(), key, home) for name in whole if name.strip()]
    if not found:
        raise InputError(f"{key} = {names}: names no file")
    return found


def _place(name: str, key: str, home: str) -> str:
    local = re.match("file:/*", name)
    if not local and home:
        return _within(home, name)
    if _SCHEME.match(name) and not local and not _exists(name):
        return name
    path = Path(f"/{name[local.end() :]}" if local else name).expanduser().absolute()
    if _exists(path):
        return "file:" + _PATTERN.sub(r"\\\1", str(path))
    if glob.glob(str(path)):  # noqa: PTH207 (Path.glob takes no absolute pattern)
        return f"file:{path}"
    raise InputError(
        f"{key} = {name}: no such file or folder here; write hdfs://... or s3a://... for those "
        "elsewhere"
    )


def _exists(name: str | Path) -> bool:
    return os.path.exists(name)  # noqa: PTH110 (which also takes names that are too long)


def _within(home: str, name: str) -> str:
    """Complete a path of the cluster's file system; leave a URL as it is."""
    if _SCHEME.match(name):
        return name
    root = "/".join(home.split("/", 3)[:3])
    return f"{root}{name}" if name.startswith("/") else f"{home}/{name}"


def located(name: str, key: str, home: str = "") -> str:
    """Write a path or URL that need not exist as Spark reads it.

    Parameters
    ----------
    name, key, home
        As for `places`.

    Raises
    ------
    InputError
        When it is a relative path of this machine, which executors would look for in folders of
        their own.

    Examples
    --------
    >>> located("/shared/texts", "spark.load.shards"), located("hdfs:///x", "spark.load.shards")
    ('file:/shared/texts', 'hdfs:///x')
    >>> located("texts", "spark.load.shards", "hdfs://host/user/me")
    'hdfs://host/user/me/texts'
    """
    if home or _SCHEME.match(name):
        return _within(home, name)
    if not Path(name).is_absolute():
        raise InputError(
            f"{key} = {name}: expected an absolute path, hdfs://... or s3a://..., which the "
            "executors reach, too"
        )
    return f"file:{name}"


def require_new(context: Any, name: str, key: str) -> None:
    """Check that a folder can be made.

    Parameters
    ----------
    context
        Spark's.
    name, key
        The folder, and the property that names it.

    Raises
    ------
    InputError
        When it is there already, or its file system cannot be asked.
    """
    place = located(name, key, home_of(context))
    with unreadable(context, key, name):
        path, files = _opened(context, place)
        there = files.exists(path)
    if there:
        where = "" if place == name else f" ({place})"
        raise InputError(f"{key} = {name}: is there already{where}; name a new folder")


@contextmanager
def whole(context: Any, name: str, key: str) -> Iterator[None]:
    """Delete a new folder unless the block ends well: another attempt can then make it."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # what went wrong first is what counts
            path, files = _opened(context, located(name, key, home_of(context)))
            files.delete(path, True)  # noqa: FBT003 (Java has no names: all that is in it, too)
        raise


def _opened(context: Any, place: str) -> tuple[Any, Any]:
    """Return a path and its file system; PySpark has no public way to ask one."""
    path = context._jvm.org.apache.hadoop.fs.Path(place)  # noqa: SLF001
    return path, path.getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001


def format_of(names: Sequence[str], given: str, key: str) -> str:
    """Tell the format of files: the given one, else by the ends of their names.

    Parameters
    ----------
    names
        As of `places`.
    given
        One of `FORMATS`.
    key
        The property that named the files, for messages; that of the format is beside it.

    Raises
    ------
    InputError
        When the names do not tell, or tell several.

    Examples
    --------
    >>> format_of(["hdfs:///a.csv.gz", "s3a://b/c.CSV"], "auto", "spark.load.data")
    'csv'
    """
    if given != "auto":
        return given
    found = {}
    for name in names:
        path = Path(name)
        suffix = Path(path.stem).suffix if path.suffix.lower() in _PACKED else path.suffix
        found[_SUFFIXES.get(suffix.lower(), "")] = name
    setting = f"set {key.rpartition('.')[0]}.format to {', '.join(FORMATS[1:])}"
    if "" in found:
        raise InputError(f"{key} = {found['']}: its name does not tell its format: {setting}")
    if len(found) > 1:
        raise InputError(f"{key}: several formats ({', '.join(sorted(found))}): {setting}")
    return next(iter(found))


def _read(context: Any, names: str, given: str, key: str) -> tuple[Any, str]:
    """Read files as a DataFrame of Spark, and tell their format; of texts, each line is a row."""
    from pyspark.sql import SparkSession

    home = home_of(context)
    where = places(names, key, home)
    kind = format_of(where, given, key)
    session = SparkSession(context)
    # Else rows with too many columns pass for good ones.
    session.conf.set("spark.sql.csv.parser.columnPruning.enabled", "false")
    reader = session.read
    with unreadable(context, key, names):
        if kind == "csv":
            return reader.options(**_CSV).csv(where), kind
        if kind == "text":
            return reader.options(recursiveFileLookup=True).text(where), kind
        return reader.parquet(*where), kind


@contextmanager
def unreadable(context: Any, key: str, names: str) -> Iterator[None]:
    """Say in one sentence why Spark cannot read files.

    Parameters
    ----------
    context
        Spark's.
    key, names
        The property that names the files, and its value.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    with spark_errors():  # which has the last word on what executors could not do
        try:
            yield
        except (Py4JJavaError, PySparkException) as error:
            text = "\n".join(_causes(error))
            broken = _BROKEN.findall(text)
            if "aborted due to stage failure" in text and not broken:
                raise
            if "Client cannot authenticate via" in text:
                broken = ["Kerberos has no ticket: run kinit, or name --principal and --keytab"]
            if "S3AFileSystem not found" in text:
                # PySpark has no public way to ask which Hadoop it comes with.
                hadoop = context._jvm.org.apache.hadoop.util.VersionInfo  # noqa: SLF001
                broken = [_NO_S3A.format(hadoop.getVersion())]
            # Spark names the file first, and what is wrong with it last.
            said = [_CODES.sub("", line) for line in broken or text.splitlines()[:1]]
            reason = ": ".join(dict.fromkeys((said[0], said[-1])))[:500]
            if "does not exist" in reason and not _SCHEME.match(names):
                reason += "; write file:/PATH for a path of this machine, which all nodes must have"
            raise InputError(f"{key} = {names}: {reason}") from None


def _causes(error: Any) -> Iterator[str]:
    """List what an error of Spark says, its causes last."""
    java = getattr(error, "java_exception", None)
    if java is None:
        yield str(error).strip()
    while java is not None:
        yield str(java.toString()).strip()
        java = java.getCause()


def lines(context: Any, names: str, key: str) -> Any:
    """Read the lines of texts as an RDD.

    Parameters
    ----------
    context
        Spark's.
    names
        Comma-separated paths and URLs: files, folders, patterns.
    key
        The property that names the files, for messages.

    Raises
    ------
    InputError
        When they cannot be read.
    """
    frame, _ = _read(context, names, "text", key)
    return frame.rdd.map(itemgetter(0))


def labelled(context: Any, names: str, kind: str, columns: tuple[str, str], key: str) -> Any:
    """Read texts and their classes.

    Parameters
    ----------
    context, names, key
        As for `lines`.
    kind
        One of `FORMATS`; of ``text``, each line is a text, whose class is its file's folder.
    columns
        The columns of text and class; of two columns with other names, the first has the texts.

    Returns
    -------
    pyspark.RDD
        Rows of text, class, file, and where the file's part begins that they come from. Those of
        one part follow each other.

    Raises
    ------
    InputError
        When they cannot be read, or the columns are not there.
    """
    from pyspark.sql import functions

    frame, kind = _read(context, names, kind, key)
    # Before 3.5, PySpark has no function for the second.
    origin = [functions.expr(f"input_file_{what}()") for what in ("name", "block_start")]
    if kind == "text":
        rows = frame.select("value", *origin).rdd
        return rows.filter(lambda row: row[0].strip()).map(
            lambda row: (row[0], _folder(row[1]), unquote(row[1]), row[2])
        )
    picked = [frame.columns[i].replace("`", "``") for i in _columns(frame.columns, columns, key)]
    both = [functions.col(f"`{name}`").cast("string") for name in picked]
    with unreadable(context, key, names):
        rows = frame.select(*both, *origin).rdd
    return rows.map(lambda row: (row[0] or "", (row[1] or "").strip(), unquote(row[2]), row[3]))


def _columns(names: Sequence[str], wanted: tuple[str, str], key: str) -> tuple[int, int]:
    """Find the columns of text and class.

    Examples
    --------
    >>> _columns(["id", "label", "text"], ("text", "label"), "spark.load.data")
    (2, 1)
    >>> _columns(["\ufeffreview", "stars"], ("text", "label"), "spark.load.data")
    (0, 1)
    """
    if not names:
        raise InputError(f"{key}: the file is empty, without even a header")
    plain = [name.strip("\ufeff") for name in names]  # some programs begin a file with this mark
    if set(wanted) <= set(plain):
        return plain.index(wanted[0]), plain.index(wanted[1])
    if len(plain) != 2:
        prefix = key.rpartition(".")[0]
        raise InputError(
            f"{key}: its columns are {', '.join(plain)}, without {' and '.join(wanted)}: name them "
            f"by {prefix}.text_column and {prefix}.class_column"
        )
    return 0, 1


def _folder(file: str) -> str:
    """Return the name of a file's folder.

    Examples
    --------
    >>> _folder("file:///texts/my%20class/a.txt")
    'my class'
    """
    return unquote(file).rpartition("/")[0].rpartition("/")[2]
