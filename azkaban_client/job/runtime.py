"""Run a job: read properties and options, write outputs and a record.

Exit codes: 0 done, 1 failed, 2 bad parameters or input, 130 interrupted, 143 killed (SIGTERM).
"""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    NoReturn,
    ParamSpec,
    TypeVar,
    get_args,
    get_origin,
)

from azkaban_client.files import write_text
from azkaban_client.job.killed import CODE, Killed, Terminator
from azkaban_client.job.params import (
    ParamError,
    Parameter,
    as_text,
    hints_of,
    make_parameter,
    parameters_of,
    parse,
)
from azkaban_client.job.record import recorded
from azkaban_client.job.run import InputError, Run

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["JobFunction", "Outputs", "job", "make_run", "read_properties"]

Outputs = Mapping[str, object]
_TAKEN = {"help", "output_dir", "prop", "seed"}
P = ParamSpec("P")
R = TypeVar("R")


class JobFunction(Generic[P, R]):
    """A function that is a job, made by `job`.

    A call runs the function itself. Its parameters are the properties ``<prefix>.<name>`` on
    Azkaban and options on the command line.

    Attributes
    ----------
    module
        The module that Python is told to run, ``jobs.nn.train``, or the name of a script's file.
    prefix
        The prefix of its properties: the module below ``jobs``.
    doc
        The module's text, or the function's.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        space = function.__globals__
        self._function = function
        self.module = _module(function.__module__, space)
        self.prefix = self.module.removeprefix("jobs.")
        self.doc = (space.get("__doc__") or function.__doc__ or "").strip()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, as tests do.

        Raises
        ------
        TypeError
            A program calls it in place of `start`, so that no property would reach it.
        """
        program = self._function.__globals__.get("__name__") == "__main__"
        if program and self._arguments and not args and not kwargs:
            name = self._function.__name__
            raise TypeError(
                f"{name}() calls the function itself, without its properties: "
                f"a script starts its job by {name}.start()"
            )
        return self._function(*args, **kwargs)

    @functools.cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its parameters, those of a dataclass one by one."""
        found: list[Parameter] = []
        for _, one in self._arguments:
            found += [one] if isinstance(one, Parameter) else parameters_of(one) if one else []
        names = [one.name for one in found]
        if twice := {name for name in names if names.count(name) > 1}:
            raise TypeError(f"{self.module}: two parameters are called {', '.join(sorted(twice))}")
        if taken := _TAKEN & set(names):
            raise TypeError(f"{self.module}: {taken.pop()} is an option of every job: rename it")
        return tuple(found)

    def start(self, argv: list[str] | None = None) -> NoReturn:
        """Run the job as a program: read its parameters, do its work, exit.

        Parameters
        ----------
        argv
            Options; those of the command line by default.
        """
        _open_closed()
        sys.exit(self.main(argv))

    def main(self, argv: list[str] | None = None) -> int:
        """Run the job and return its exit code."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, Terminator())
        try:
            self._run(_properties(self, argv))
        except (ParamError, InputError) as error:
            for line in str(error).splitlines():
                print(f"{self.prefix}: {line}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"{self.prefix}: {error}", file=sys.stderr)
            return 1
        except Killed as killed:
            killed.arrived = True
            return CODE
        except KeyboardInterrupt:
            print(f"{self.prefix}: interrupted", file=sys.stderr)
            return 130
        return 0

    def _run(self, props: Mapping[str, str]) -> None:
        run = make_run(self.module, props)
        if run.execid == "local":  # a typing error costs no earlier result
            parse(self.parameters, self.prefix, props)
        secret = {f"{self.prefix}.{one.name}" for one in self.parameters if one.kind.secret}
        given = {
            key: "(not shown)" if key in secret else text
            for key, text in props.items()
            if key.startswith(f"{self.prefix}.")
        }
        with recorded(run, given) as record:
            values = parse(self.parameters, self.prefix, props)
            record.values = {f"{self.prefix}.{name}": value for name, value in values.items()}
            record.outputs = self._call(values, run)
            record.passed = passed = {
                f"{run.name}.{key}": str(value) for key, value in record.outputs.items()
            }
        _write_outputs(run, passed)

    def _call(self, values: dict[str, Any], run: Run) -> Outputs:
        arguments: dict[str, Any] = {}
        for name, one in self._arguments:
            if one is None:
                arguments[name] = run
            elif isinstance(one, Parameter):
                arguments[name] = values[name]
            else:
                fields = [f.name for f in dataclasses.fields(one) if f.init]
                arguments[name] = one(**{field: values[field] for field in fields})
        function: Callable[..., Any] = self._function
        outputs = function(**arguments)
        if not isinstance(outputs, Mapping | None):
            raise TypeError(
                f"{self.module}: returned {type(outputs).__name__}, expected outputs by name"
            )
        return outputs or {}

    @functools.cached_property
    def _arguments(self) -> list[tuple[str, Any]]:
        """The function's arguments: a parameter, a dataclass of them, or (None) the run."""
        import inspect

        hints = hints_of(self._function)
        found: list[tuple[str, Any]] = []
        for name, one in inspect.signature(self._function).parameters.items():
            if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
                raise TypeError(f"{self.module}: {one}: the parameters of a job have names")
            hint = hints.get(name, str)
            plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
            default = MISSING if one.default is one.empty else one.default
            if plain is Run:
                found.append((name, None))
            elif dataclasses.is_dataclass(plain):
                found.append((name, plain))
            else:
                found.append((name, make_parameter(name, hint, default)))
        return found


def job(function: Callable[P, R]) -> JobFunction[P, R]:
    """Turn a function into a job: its signature declares the parameters, its result the outputs.

    Parameters
    ----------
    function
        Its parameters have types and defaults, and sentences and bounds in ``Annotated``. A
        parameter whose type is a dataclass stands for all its fields; one of type `Run` receives
        the run. It returns outputs by name, or nothing.

    Examples
    --------
    >>> @job
    ... def count(rows: Annotated[int, "Rows to count."] = 100) -> Outputs:
    ...     return {"total": 2 * rows}
    >>> count(rows=3)
    {'total': 6}
    >>> [one.name for one in count.parameters]
    ['rows']
    """
    return JobFunction(function)


def _open_closed() -> None:
    """Lead output and errors to nowhere where whoever started this has closed them.

    Otherwise a message for the errors would be printed to the output, and a bar would have no
    terminal to ask for. What is opened takes the closed descriptor, so that no file gets it.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115 (it stays open)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115


def _module(name: str, space: Mapping[str, Any]) -> str:
    if name != "__main__":
        return name
    spec = space.get("__spec__")
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    return Path(space.get("__file__") or "job").stem


def read_properties() -> dict[str, str]:
    """Read the properties that Azkaban gives a job; none without Azkaban."""
    name = os.environ.get("JOB_PROP_FILE")
    if not name:
        return {}
    import javaproperties

    with Path(name).open("rb") as stream:
        return dict(javaproperties.load(stream))


def _properties(work: JobFunction[Any, Any], argv: list[str] | None) -> dict[str, str]:
    """Read Azkaban's properties, then those of the command line, then options."""
    props = read_properties()
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        return props
    options = _parser(work).parse_args(argv)
    for pair in options.prop:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ParamError(f"--prop {pair!r}: expected KEY=VALUE")
        props[key.strip()] = value
    return props | _given(work, options)


def _given(work: JobFunction[Any, Any], options: Namespace) -> dict[str, str]:
    keys = {"seed": "seed", "output.dir": "output.dir"}
    keys |= {f"{work.prefix}.{one.name}": one.name for one in work.parameters}
    found = {key: getattr(options, name) for key, name in keys.items()}
    return {key: text for key, text in found.items() if text is not None}


def _parser(work: JobFunction[Any, Any]) -> ArgumentParser:
    import argparse

    script = work.module if "." in work.module else f"{work.module}.py"
    parser = argparse.ArgumentParser(
        prog=f"python -m {script}" if "." in work.module else f"python {script}",
        description=work.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for one in work.parameters:
        default = "required" if one.required else f"default: {as_text(one) or 'none'}"
        text = f"{one.rule.doc.removesuffix('.')} ({one.expected}; {default})"
        parser.add_argument(
            "--" + one.name.replace("_", "-"),
            dest=one.name,
            metavar=one.name.rpartition("_")[2].upper(),
            nargs="?" if one.flag else None,
            const="true" if one.flag else None,
            help=text.strip().replace("%", "%%"),
        )
    parser.add_argument("--seed", help="Makes a run reproducible (an integer >= 0; default: 0)")
    parser.add_argument(
        "--output-dir", dest="output.dir", metavar="DIR", help="Where files go (default: runs)"
    )
    parser.add_argument(
        "--prop", action="append", default=[], metavar="KEY=VALUE", help="Set any property"
    )
    return parser


def make_run(module: str, props: Mapping[str, str]) -> Run:
    """Make the run of a job: where it is and where its artifacts go, by Azkaban's properties."""
    text = props.get("seed", "").strip() or "0"
    if not text.isdecimal():
        raise ParamError(f"seed = {text!r}: expected an integer >= 0")
    name = os.environ.get("JOB_NAME") or module.removeprefix("jobs.").replace(".", "_")
    # Azkaban 2.5 does not tell jobs the name of their project: our flows carry it themselves
    named = props.get("azkaban.flow.projectname") or props.get("project.name")
    project = named or props.get("azkaban.flow.flowid") or "local"
    execid = props.get("azkaban.flow.execid") or "local"
    base = Path(props.get("output.dir", "").strip() or "runs").expanduser().absolute()
    attempt = props.get("azkaban.job.attempt", "")
    return Run(
        module=module,
        name=name,
        project=project,
        flow=props.get("azkaban.flow.flowid") or "local",
        execid=execid,
        dir=base / project / execid / name,
        seed=int(text),
        props=props,
        attempt=int(attempt) if attempt.isdecimal() else 0,
    )


def _write_outputs(run: Run, flat: Mapping[str, str]) -> None:
    if name := os.environ.get("JOB_OUTPUT_PROP_FILE"):
        import json

        write_text(Path(name), json.dumps(flat, indent=2))
        return
    for key, value in flat.items():
        run.log(f"{key} = {value}")
