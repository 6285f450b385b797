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

from worker.contract.config import RunConfig
from worker.engine.export import weights
from worker.engine.resnet import ResNet

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
    #: Whether it computes, or holds the weights alone.
    is_program: bool = True

    def refuse_if_absent(self, name: str) -> None:
        """Raises FormatUnavailable."""
        missing = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if missing:
            raise FormatUnavailable(f"export as {name} needs {', '.join(missing)}; pip install {' '.join(missing)}")


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


def _write_safetensors(model: nn.Module, _: Tensor, __: bool, facts: Mapping[str, str], path: Path) -> None:
    assert isinstance(model, ResNet)
    weights.write(model, depth=_depth(facts), facts=facts, path=path)


def _opened_safetensors(path: Path) -> Run:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    network: Run = weights.read(path, depth=_depth(facts))
    return network


def _depth(facts: Mapping[str, str]) -> int:
    return RunConfig.model_validate_json(facts["config"]).depth


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
    "safetensors": Format(".safetensors", ("safetensors",), _write_safetensors, _opened_safetensors, is_program=False),
}
