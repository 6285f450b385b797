"""RunConfig: every setting of a training run, the only place where its bounds, units, help and defaults stand.

The API validates with it, the form is built from its JSON Schema, and the command lines derive their options from it.
"""

from __future__ import annotations

import re
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from worker.contract.datasets import DatasetName, default_flip, default_image_size
from worker.contract.fitting import conflicts, doubts
from worker.contract.seeds import LARGEST_SEED


class Depth(IntEnum):
    """Layers of the network: the CIFAR networks are 6n+2 deep, the ImageNet ones are bottlenecks (He et al. 2016)."""

    CIFAR_20 = 20
    CIFAR_32 = 32
    CIFAR_44 = 44
    CIFAR_56 = 56
    CIFAR_110 = 110
    RESNET_50 = 50
    RESNET_101 = 101
    RESNET_152 = 152

    @property
    def is_bottleneck(self) -> bool:
        return self in (Depth.RESNET_50, Depth.RESNET_101, Depth.RESNET_152)


class Amp(StrEnum):
    AUTO = "auto"
    OFF = "off"
    FP16 = "fp16"
    BF16 = "bf16"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


_WHOLE = re.compile(r"\s*[+-]?\d+(\.0*)?\s*", re.ASCII)


def _setting(group: str, label: str, help_: str, *, unit: str = "", advanced: bool = False, **bounds: Any) -> Any:
    """A field whose JSON Schema carries what a form and a help text need beside the bounds."""
    extra: JsonDict = {"group": group, "label": label, "unit": unit, "advanced": advanced}
    return Field(description=help_, json_schema_extra=extra, **bounds)


DATA, NETWORK, DEPTH, TRAINING, REGULARISATION, EXECUTION = (
    "Data",
    "Network",
    "Stochastic depth",
    "Optimisation",
    "Regularisation",
    "Execution",
)
GROUPS = (DATA, NETWORK, DEPTH, TRAINING, REGULARISATION, EXECUTION)

Probability = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]


class RunConfig(BaseModel):
    """One training run. Frozen; unknown names are refused; `None` means "the default of the dataset or recipe"."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    dataset: DatasetName = _setting(
        DATA,
        "Dataset",
        "What to train on; digits needs no download. Left out beside a data folder it is imagefolder.",
        default=DatasetName.DIGITS,
    )
    data_dir: str | None = _setting(
        DATA,
        "Data folder",
        "Absolute path on the training machine. imagefolder expects train/ and val/ with one folder per class, and is "
        "what a folder is taken for where no dataset is named.",
        default=None,
        max_length=4096,
    )
    image_size: int | None = _setting(
        DATA,
        "Image size",
        "Side of the training image; empty takes the dataset's own (digits and CIFAR 32, folders 224).",
        unit="px",
        default=None,
        ge=8,
        le=1024,
    )
    crop_padding: int = _setting(
        DATA,
        "Crop padding",
        "Small images are padded by this and cropped at random; folders are cropped and resized at random instead.",
        unit="px",
        default=4,
        ge=0,
        le=32,
    )
    color_jitter: float = _setting(
        DATA,
        "Colour jitter",
        "Brightness, contrast and saturation of a training image are each changed by up to this share; 0.4 is usual "
        "for ImageNet, 0 leaves colours alone.",
        default=0.0,
        ge=0.0,
        le=1.0,
        allow_inf_nan=False,
    )
    cache_side: int | None = _setting(
        DATA,
        "Cached shorter side",
        "Keep a copy of a folder's images, shrunk to this shorter side and encoded anew, and train on that: faster, "
        "and different data (ImageNet at 320 px moves a pixel by 2.6 of 255 in the mean). Empty reads the originals.",
        unit="px",
        default=None,
        ge=32,
        le=2048,
        advanced=True,
    )
    flip: bool | None = _setting(
        DATA,
        "Horizontal flip",
        "Mirror half of the training images; empty takes the dataset's own (no for digits, else yes).",
        default=None,
    )

    depth: Depth = _setting(
        NETWORK,
        "Depth",
        "20 to 56 and 110 are the CIFAR networks for small images; 50, 101 and 152 the bottlenecks for ImageNet.",
        default=Depth.CIFAR_20,
    )
    zero_init: bool = _setting(
        NETWORK,
        "Zero-init branches",
        "Start the last convolution of every residual branch at zero, so that each block begins as the identity.",
        default=False,
        advanced=True,
    )

    sd: bool = _setting(
        DEPTH, "Stochastic depth", "Skip residual blocks at random while training (Huang et al. 2016).", default=False
    )
    pL: Probability = _setting(
        DEPTH,
        "Survival of the last block",
        "Block l of L survives with p_l = 1 - (l/L)(1 - pL); the paper takes 0.5.",
        default=0.5,
    )
    sd_mode: Literal["batch", "row", "subset"] = _setting(
        DEPTH,
        "Mode",
        "batch: one gate for each block and mini-batch, as in the paper; a closed gate saves the block's compute. "
        "row: one for each image, computing all (torchvision, timm). "
        "subset: one for each image, computing what is kept.",
        default="batch",
        advanced=True,
    )
    sd_dropped: Literal["zero", "frozen"] = _setting(
        DEPTH,
        "Parameters of a dropped block",
        "zero: their gradient is zero, so weight decay and momentum still move them, as in the paper. "
        "frozen: they stand still in that step.",
        default="zero",
        advanced=True,
    )
    sd_scale: Literal["test", "train"] = _setting(
        DEPTH,
        "Scaling of branches",
        "test: a branch is scaled by p_l in an evaluation, as in the paper. "
        "train: by 1/p_l where it runs in training, and not in an evaluation (torchvision, timm).",
        default="test",
        advanced=True,
    )
    sd_transitions: bool = _setting(
        DEPTH,
        "Drop transition blocks",
        "Blocks that change the resolution can be dropped too, as in the paper; their projection always runs.",
        default=True,
        advanced=True,
    )
    bn_reestimate: int = _setting(
        DEPTH,
        "Re-estimate batch norm",
        "Before an evaluation, take the batch-norm statistics again over this many training batches at full depth, "
        "on a copy; 0 keeps the running ones, as the paper does. Short SD runs need it.",
        unit="batches",
        default=0,
        ge=0,
        le=1000,
    )

    epochs: int = _setting(TRAINING, "Epochs", "Passes over the training images.", default=90, ge=1, le=10_000)
    batch: int = _setting(
        TRAINING,
        "Batch",
        "Images in one optimizer step, over all devices and micro-batches.",
        unit="images",
        default=256,
        ge=2,
        le=65_536,
    )
    lr: float | None = _setting(
        TRAINING,
        "Learning rate",
        "The peak, after warmup; empty takes 0.1 x batch/256.",
        default=None,
        gt=0.0,
        le=100.0,
        allow_inf_nan=False,
    )
    warmup_epochs: float = _setting(
        TRAINING,
        "Warmup",
        "The learning rate rises linearly over these epochs, then falls along a cosine.",
        unit="epochs",
        default=5,
        ge=0,
        le=1000,
        allow_inf_nan=False,
    )
    min_lr: float = _setting(
        TRAINING,
        "Last learning rate",
        "Where the cosine ends.",
        default=1e-6,
        ge=0.0,
        le=100.0,
        advanced=True,
        allow_inf_nan=False,
    )
    momentum: float = _setting(
        TRAINING, "Momentum", "Of SGD.", default=0.9, ge=0.0, lt=1.0, advanced=True, allow_inf_nan=False
    )

    nesterov: bool = _setting(TRAINING, "Nesterov", "Nesterov's momentum.", default=False, advanced=True)
    accumulation: int = _setting(
        TRAINING,
        "Micro-batches",
        "A batch is computed in this many parts, one after the other, to fit the memory; each part has its own "
        "batch-norm statistics.",
        default=1,
        ge=1,
        le=1024,
        advanced=True,
    )
    clip_grad: float | None = _setting(
        TRAINING,
        "Clip gradients",
        "Scale the gradient down to this norm where it is longer; empty never does.",
        default=None,
        gt=0.0,
        allow_inf_nan=False,
        advanced=True,
    )
    ema: float | None = _setting(
        TRAINING,
        "Weight average",
        "Decay, for each step, of an exponential moving average of the weights, which is then what is evaluated; "
        "0.9999 is usual for long runs, empty keeps none.",
        default=None,
        gt=0.0,
        lt=1.0,
        allow_inf_nan=False,
        advanced=True,
    )
    eval_every: int = _setting(
        TRAINING,
        "Evaluate every",
        "Epochs between two evaluations; the last epoch is always evaluated.",
        unit="epochs",
        default=1,
        ge=1,
        le=10_000,
        advanced=True,
    )

    weight_decay: float = _setting(
        REGULARISATION, "Weight decay", "L2 penalty of SGD.", default=1e-4, ge=0.0, le=1.0, allow_inf_nan=False
    )
    decay_norms: bool = _setting(
        REGULARISATION,
        "Decay norms and biases",
        "Weight decay applies to the parameters of norms and to biases as well, as in the paper.",
        default=True,
        advanced=True,
    )
    mixup: float = _setting(
        REGULARISATION,
        "MixUp alpha",
        "Each image is blended with another by a share drawn from Beta(alpha, alpha), and so are their labels "
        "(Zhang et al. 2018); 0.2 is usual for ImageNet, 0 blends nothing.",
        default=0.0,
        ge=0.0,
        le=10.0,
        allow_inf_nan=False,
    )
    label_smoothing: float = _setting(
        REGULARISATION,
        "Label smoothing",
        "Share of the target spread evenly over all classes.",
        default=0.0,
        ge=0.0,
        lt=1.0,
        allow_inf_nan=False,
    )

    seed: int = _setting(
        EXECUTION, "Seed", "Fixes weights, order, crops and gates; twins share it.", default=0, ge=0, le=LARGEST_SEED
    )
    device: Device = _setting(EXECUTION, "Device", "auto takes a GPU where there is one.", default=Device.AUTO)
    devices: int = _setting(
        EXECUTION,
        "Devices",
        "How many devices share each batch; on a CPU, how many processes.",
        default=1,
        ge=1,
        le=64,
    )
    amp: Amp = _setting(
        EXECUTION,
        "Mixed precision",
        "auto: off on a CPU, bf16 on GPUs that have it, else fp16 with a gradient scaler.",
        default=Amp.AUTO,
    )
    compile: bool = _setting(
        EXECUTION,
        "Compile blocks",
        "Compile each residual block with torch.compile: minutes at the start, faster steps on a GPU.",
        default=False,
        advanced=True,
    )
    autotune: bool = _setting(
        EXECUTION,
        "Autotune",
        "Let cuDNN choose its convolutions by measuring, deterministic or not: faster on a GPU, but a resumed run then "
        "agrees only up to rounding.",
        default=False,
        advanced=True,
    )
    loader_workers: int | None = _setting(
        EXECUTION,
        "Loader processes",
        "Read and augment images beside the training, so many for each device; 0 does it in the training process. "
        "Empty, or auto, chooses by cores, devices and images, and the run says what. Does not change a result.",
        default=None,
        ge=0,
        le=128,
        advanced=True,
    )
    threads: int | None = _setting(
        EXECUTION,
        "CPU threads",
        "Of the training process; empty takes its share of the machine. A different number rounds differently.",
        default=None,
        ge=1,
        le=1024,
        advanced=True,
    )
    log_every: int = _setting(
        EXECUTION,
        "Report every",
        "Steps between two points of the training curves.",
        unit="steps",
        default=10,
        ge=1,
        le=100_000,
        advanced=True,
    )
    checkpoint_minutes: float = _setting(
        EXECUTION,
        "Checkpoint every",
        "Besides the one after each epoch and at a pause; what a crash can cost.",
        unit="minutes",
        default=10.0,
        gt=0.0,
        le=1440.0,
        advanced=True,
        allow_inf_nan=False,
    )
    keep_checkpoints: int = _setting(
        EXECUTION,
        "Checkpoints kept",
        "The newest ones; the best is kept besides.",
        default=2,
        ge=2,
        le=10_000,
        advanced=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _a_folder_alone_is_imagefolder(cls, given: Any) -> Any:
        """Whoever names a folder and no dataset means the images in it, and not the default's."""
        if isinstance(given, dict) and given.get("data_dir") is not None and "dataset" not in given:
            return {**given, "dataset": DatasetName.IMAGEFOLDER}
        return given

    @field_validator("loader_workers", mode="before")
    @classmethod
    def _auto_is_empty(cls, value: object) -> object:
        return None if value == "auto" else value

    @field_validator("device", mode="before")
    @classmethod
    def _one_gpu_is_granted(cls, value: object) -> object:
        """As frameworks spell it, and as no setting of a run should: the next machine has other GPUs."""
        name, _, index = str(value).partition(":")
        if name == Device.CUDA and index.isdecimal():
            raise _field_error(
                "device",
                f"device {value} names one GPU; grant it with CUDA_VISIBLE_DEVICES={index}, and take device cuda",
            )
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_no_flags(cls, value: object, info: ValidationInfo) -> object:
        """JSON's true would pass for 1 otherwise."""
        name = str(info.field_name)
        if isinstance(value, bool) and cls.model_fields[name].annotation not in (bool, bool | None):
            raise _field_error(name, f"{name} {str(value).lower()} is a yes or no; give a value")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _numerals_are_plain(cls, value: object, info: ValidationInfo) -> object:
        """pydantic would take "0-4" for -4 and "1_0" for 10, as Rust and Python write numbers."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, str) and value != "auto":
            if annotation in (int, int | None) and not _WHOLE.fullmatch(value):
                raise PydanticCustomError("int_parsing", "no whole number")
            if annotation in (float, float | None) and "_" in value:
                raise PydanticCustomError("float_parsing", "no number")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        found = list(conflicts(self))
        if found:
            text = "; ".join(sentence for _, sentence in found)
            raise PydanticCustomError("settings", "{text}", {"text": text, "complaints": found})
        return self

    @property
    def micro_batch(self) -> int:
        """Images that one device computes at a time."""
        return self.batch // (self.devices * self.accumulation)

    @property
    def peak_lr(self) -> float:
        """The learning rate after warmup; 0.1 x batch/256 unless given (Goyal et al. 2017)."""
        return self.lr if self.lr is not None else 0.1 * self.batch / 256

    @property
    def image_side(self) -> int:
        """Side of the training image in pixels."""
        return self.image_size if self.image_size is not None else default_image_size(self.dataset)

    @property
    def flips(self) -> bool:
        return self.flip if self.flip is not None else default_flip(self.dataset)

    def warnings(self) -> list[str]:
        """What is allowed and probably not meant, in sentences for the person who asked for it."""
        return list(doubts(self))


def _field_error(field: str, message: str) -> PydanticCustomError:
    """An error of the whole model that names the field it is about (see `field_errors`)."""
    return PydanticCustomError("setting", "{message}", {"message": message, "field": field})
