"""Binary files that are cut, changed or made to harm: one named error, and nothing half done."""

from __future__ import annotations

import io
import json
import lzma
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.decipher import Alphabet, LanguageModel, ModelFileError, build
from core.mcmc import Metropolis, gaussian
from core.mcmc.long_runs import checkpoint, resume
from core.nn import Adam, CrossEntropy, Dense, Trainer
from core.nn.checkpoint import load_checkpoint, save_checkpoint
from core.nn.models import mlp
from core.nn.serial import ModelError, load, save

KERNEL = Metropolis(lambda x: -0.5 * (x**2).sum(1), gaussian(1.0))


def trainer() -> Trainer:
    rng = np.random.default_rng(0)
    return Trainer(Dense(3, 2, rng=rng), CrossEntropy(), Adam(), rng=rng)


def saved_network() -> bytes:
    stream = io.BytesIO()
    chosen = {"sizes": [3, 2]}
    net = mlp(sizes=[3, 2], rng=np.random.default_rng(0))
    save(stream, net, builder="mlp", settings=chosen, meta={"a": 1})
    return stream.getvalue()


def saved_training() -> bytes:
    made, saved = trainer(), list[bytes]()

    def save_it(trained: Trainer) -> None:
        stream = io.BytesIO()
        save_checkpoint(stream, trained, {"place": 3, "state": (np.zeros(2), [1])})
        saved.append(stream.getvalue())

    made.after_update = save_it
    made.fit(np.eye(3), np.arange(3) % 2, epochs=2, batch_size=2)
    return saved[2]  # of the middle of an epoch


def read_training(data: bytes) -> Any:
    """Load into a trainer, which stays as it was when that fails."""
    ours = trainer()
    before = ours.parameters.values.copy(), ours.rng.bit_generator.state, ours.updates
    try:
        return load_checkpoint(io.BytesIO(data), ours)
    except ModelError:
        assert (ours.parameters.values == before[0]).all()
        assert (ours.rng.bit_generator.state, ours.updates) == before[1:]
        assert not ours.optimiser_state["t"]
        assert ours.history.columns == {}
        assert ours.position is None
        raise


STATE = KERNEL.init(np.zeros((2, 2)))
WHOLE: dict[str, tuple[bytes, Any, type[Exception]]] = {
    "language": (
        build("the cat sat on the mat the cat sat", Alphabet("acehmnost"), "ours").to_bytes(),
        LanguageModel.from_bytes,
        ModelFileError,
    ),
    "network": (saved_network(), lambda data: load(io.BytesIO(data)), ModelError),
    "training": (saved_training(), read_training, ModelError),
    "chains": (
        checkpoint(STATE, np.random.default_rng(0)),
        lambda data: resume(data, STATE),
        ValueError,
    ),
}


def read(kind: str, data: bytes) -> None:
    """Read; errors other than the reader's own go through."""
    _, reader, error = WHOLE[kind]
    try:
        reader(data)
    except error as found:
        assert type(found) is error or error is not ValueError  # noqa: PT017
        assert "\n" not in str(found)  # noqa: PT017


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_whole_is_read(kind: str) -> None:
    data, reader, _ = WHOLE[kind]
    reader(data)


@given(st.sampled_from(sorted(WHOLE)), st.data())
@settings(max_examples=400, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_changed_bytes_are_refused_or_read(kind: str, data: st.DataObject) -> None:
    whole = bytearray(WHOLE[kind][0])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole)))
        if data.draw(st.booleans()):
            whole[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        else:
            del whole[at : at + data.draw(st.integers(1, 50))]
    read(kind, bytes(whole))


@pytest.mark.parametrize("kind", WHOLE)
def test_each_file_cut_anywhere_is_refused(kind: str) -> None:
    data, reader, error = WHOLE[kind]
    for end in range(0, len(data), max(1, len(data) // 60)):
        with pytest.raises(error):
            reader(data[:end])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(kind=st.sampled_from(["network", "training", "chains"]), value=JSON, data=st.data())
@settings(max_examples=300, deadline=None)
def test_headers_of_any_content_are_refused_or_read(
    kind: str, value: Any, data: st.DataObject
) -> None:
    with np.load(io.BytesIO(WHOLE[kind][0])) as stored:
        arrays = {name: stored[name] for name in stored.files}
    name = "generator" if kind == "chains" else "header"
    raw = str(arrays[name]) if kind == "chains" else arrays[name].tobytes().decode()
    header = json.loads(raw)
    if data.draw(st.booleans()):
        header = value
    else:
        header[data.draw(st.sampled_from(sorted(header)))] = value
    text = json.dumps(header)
    packed = np.array(text) if kind == "chains" else np.frombuffer(text.encode(), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **{**arrays, name: packed})
    read(kind, stream.getvalue())


def model_of(body: bytes) -> bytes:
    packed = lzma.compress(body, preset=0)
    return struct.pack("<4sHI", b"WBLM", 1, len(packed)) + packed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0" * 100,
        struct.pack("<I", 10) + b"[" * 50_000,
        struct.pack("<I", 200_002) + b"[" * 200_000 + b"\nx\n",
        struct.pack("<I", 3) + b"{}\n",
        b"\0" * (1 << 29),  # 75 kB of a file
    ],
    ids=["empty", "zeros", "short", "deep", "bare", "huge"],
)
def test_models_made_to_harm_are_refused(body: bytes) -> None:
    with pytest.raises(ModelFileError, match="damaged"):
        LanguageModel.from_bytes(model_of(body))
