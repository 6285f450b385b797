"""What a comparison sets out to decide, said before it is run: the metric, the question, and when to stop."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from worker.contract.seeds import MOST_SEEDS

#: So many seeds a sequential plan takes at most, unless it says another number.
USUAL_MOST = 30


class Question(StrEnum):
    """Do two arms differ, or is one not worse than the other by more than a margin?"""

    DIFFERENCE = "difference"
    NON_INFERIORITY = "non_inferiority"


class Stopping(StrEnum):
    """`fixed`: the number of seeds is settled before; `sequential`: seeds are added until the question is decided."""

    FIXED = "fixed"
    SEQUENTIAL = "sequential"


#: How it is said that runs wait for each other, a comparison's mode, beside plans that are sequential.
MODE_WORDS = {"sequential": "one after the other", "parallel": "in parallel"}


class Rule(BaseModel):
    """How a question is decided. `margin` belongs to non-inferiority alone, in the unit of what is compared.

    `confidence` is one minus the share of studies without an effect that may be decided falsely.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Question = Question.DIFFERENCE
    margin: float | None = Field(default=None, gt=0, le=1e6, allow_inf_nan=False)
    stopping: Stopping = Stopping.FIXED
    max_seeds: int | None = Field(default=None, ge=2, le=MOST_SEEDS)
    confidence: float = Field(default=0.95, ge=0.5, le=0.9999)

    @field_validator("confidence", mode="before")
    @classmethod
    def _is_no_percentage(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool) and 50 <= value < 100:
            raise _refusal("confidence", f"confidence {value:g} exceeds 0.9999; write {value:g} % as {value / 100:g}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.question is Question.NON_INFERIORITY and self.margin is None:
            raise _refusal("margin", "non_inferiority needs a margin above 0: the greatest loss that would be accepted")
        if self.question is Question.DIFFERENCE and self.margin is not None:
            raise _refusal("margin", "margin belongs to the question non_inferiority; leave it out, or ask for that")
        if self.stopping is Stopping.FIXED and self.max_seeds is not None:
            raise _refusal("max_seeds", "max_seeds belongs to sequential stopping; a fixed plan has the seeds it names")
        return self

    @property
    def alpha(self) -> float:
        return 1 - self.confidence

    @property
    def most_seeds(self) -> int | None:
        """None for a fixed rule, which has the seeds that are planned."""
        return (self.max_seeds or USUAL_MOST) if self.stopping is Stopping.SEQUENTIAL else None


class Plan(Rule):
    """The rule and what it is about: a metric of the last epoch; `margin` is in points for top-1 and top-5.

    The last epoch decides: the best one is chosen on the images that it is measured with, which flatters whichever arm
    fluctuates more.
    """

    metric: Literal["val/top1", "val/top5", "val/loss"] = "val/top1"
    at: Literal["last"] = "last"

    @property
    def higher_is_better(self) -> bool:
        return self.metric != "val/loss"


def _refusal(field: str, sentence: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{message}", {"message": sentence, "field": field})
