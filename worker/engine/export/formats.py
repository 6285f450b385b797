"""The formats in which a network can be written, each with a way to run what was written."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

INPUT, OUTPUT = "images", "logits"
FACTS = "resdrop.json"

Run = Callable[[Tensor], Tensor]


class FormatUnavailable(ValueError):
    """What writes or runs the format is not installed; names the command that installs it."""


@dataclass(frozen=True)
class Format:
    """`write` takes the network, an example of its input, whether the batch is open, facts as text, and the path."""

    suffix: str
    packages: tuple[str, ...]
    write: Callable[[nn.Module, Tensor, bool, Mapping[str, str], Path], None]
    opened: Callable[[Path], Run]

    def refuse_if_absent(self) -> None:
        """Raises FormatUnavailable."""
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise FormatUnavailable(f"export as onnx needs {', '.join(missing)}; pip install {' '.join(missing)}")


def _write_onnx(model: nn.Module, example: Tensor, dynamic: bool, facts: Mapping[str, str], path: Path) -> None:
    with _quiet():
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=_open_batch(dynamic),
            verbose=False,
        )
        assert program is not None
        program.model.metadata_props.update(facts)
        program.save(str(path), external_data=False)


def _opened_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _write_torch_export(model: nn.Module, example: Tensor, dynamic: bool, facts: Mapping[str, str], path: Path) -> None:
    with _quiet():
        program = torch.export.export(model, (example,), dynamic_shapes=_open_batch(dynamic))
        torch.export.save(program, path, extra_files={FACTS: json.dumps(dict(facts))})


def _opened_torch_export(path: Path) -> Run:
    with _quiet():
        network: Run = torch.export.load(path).module()
    return network


def _open_batch(dynamic: bool) -> tuple[dict[int, torch.export.Dim]] | None:
    return ({0: torch.export.Dim("batch", min=1)},) if dynamic else None


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters warn of their own insides, of which nobody here can do anything; the outputs are checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _opened_onnx),
    "torch_export": Format(".pt2", (), _write_torch_export, _opened_torch_export),
}
