"""The section `train`."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from facetry.config.section import Section, Share
from facetry.config.tree import overlaid
from facetry.listing import LabelSource
from facetry.validation import problems_below


def _check_pattern(text: str) -> str:
    try:
        re.compile(text.removeprefix("match "))
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


Trained = Annotated[str, Field(pattern=r"^(all|none|last [1-9][0-9]*|match .+)$"), AfterValidator(_check_pattern)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_check_pattern)]


class PromptParams(Section):
    """What the model is shown of a listing; saved with the checkpoint, so that serving shows the same."""

    question: str = Field(default="Category?", min_length=1)
    max_images: int = Field(default=1, ge=1)
    max_field_characters: int = Field(default=300, ge=1)


class PartsParams(Section):
    """What is trained of each part of a model: `all`, `none`, `last N` of its blocks, or `match PATTERN`.

    A pattern is a regular expression that is searched for in the names of the part's weights.
    """

    vision: Trained = "all"
    projector: Trained = "all"
    language: Trained = "all"


class PartRates(Section):
    """A learning rate of its own for a part; null means `learning_rate`."""

    vision: float | None = Field(default=None, gt=0)
    projector: float | None = Field(default=None, gt=0)
    language: float | None = Field(default=None, gt=0)


class AdapterParams(Section):
    """LoRA: small matrices beside the layers of one part that match `targets`, merged into the weights at the end.

    With `quantise: nf4` (QLoRA) the frozen weights are held in 4 bits meanwhile; they are merged in full precision.
    """

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: Share = 0.0
    targets: Pattern = r"(q|k|v|o|gate|up|down)_proj$"
    part: Literal["vision", "language"] = "language"
    quantise: Literal["none", "nf4"] = "none"


class FieldMasks(Section):
    """How often each field of a listing is left out while learning; one field always stays."""

    title: Share = 0.05
    description: Share = 0.05
    brand: Share = 0.05
    brand_description: Share = 0.05
    images: Share = 0.05


class StoppingParams(Section):
    """When to end early: after `patience` looks at the validation split without a better `metric`."""

    patience: int = Field(default=3, ge=1)
    min_improvement: float = Field(default=0.0, ge=0)


class ContrastiveParams(Section):
    """How CLIP and SigLIP learn from labels.

    `learn` names what a picture is to tell: `category`, or attributes. The captions are the values alone (`bare`) or
    in a sentence. `contrastive` tells the captions of a batch apart; `cross_entropy` all the values there are.
    """

    learn: tuple[str, ...] = Field(default=("category",), min_length=1)
    objective: Literal["contrastive", "cross_entropy"] = "cross_entropy"
    captions: Literal["bare", "sentence"] = "bare"
    sentence: str = "a photo of a product, {name}: {value}"

    @field_validator("sentence")
    @classmethod
    def _has_a_place_for_the_value(cls, sentence: str) -> str:
        if "{value}" not in sentence:
            raise ValueError("must hold {value}, as in 'a photo of a {value}'")
        return sentence


class MlflowParams(Section):
    uri: str = Field(min_length=1)
    experiment: str = Field(default="facetry", min_length=1)

    @field_validator("uri")
    @classmethod
    def _says_what_it_is(cls, uri: str) -> str:
        if ":" not in uri:
            raise ValueError("must be an address, or a folder as in file:///data/mlruns")
        return uri


class WandbParams(Section):
    project: str = Field(default="facetry", min_length=1)
    mode: Literal["online", "offline"] = "online"


class TrackingParams(Section):
    """Where a run's curves go besides TensorBoard files, which are always written."""

    mlflow: MlflowParams | None = None
    wandb: WandbParams | None = None


class TrainParams(Section):
    """One run of fine-tuning. A step takes `batch_size` listings, over all processes and accumulations together.

    What is null is chosen: `num_processes` is one per accelerator, else one per core, four at most;
    `accumulation_steps`, `zero_stage`, `offload` and `gradient_checkpointing` are what fits into memory at the least
    cost. `learn: title` teaches a model to name what it sees, without labels: to align a projector. `stages` are
    runs one after the other, each on the weights of the one before and with its own settings in place of these.
    """

    base_model: str = Field(default="data/drawn/base-model", min_length=1)
    allow_other_weights: bool = False
    seed: int = 7
    epochs: float = Field(default=3.5, gt=0)
    batch_size: int = Field(default=16, ge=1)
    accumulation_steps: int | None = Field(default=None, ge=1)
    num_processes: int | None = Field(default=None, ge=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    zero_stage: Literal[0, 1, 2, 3] | None = None
    offload: Literal["none", "optimizer", "all"] | None = None
    gradient_checkpointing: bool | None = None
    memory_gigabytes: float | None = Field(default=None, gt=0)

    learn: Literal["label", "title"] = "label"
    label_sources: tuple[LabelSource, ...] = Field(default=tuple(LabelSource), min_length=1)
    max_listings: int | None = Field(default=None, ge=1)
    balance: str | None = Field(default=None, min_length=1)
    class_weights: Literal["none", "inverse", "inverse_root"] = "none"
    category_weight: float = Field(default=4.0, gt=0)
    mask: FieldMasks = FieldMasks()

    parts: PartsParams = PartsParams()
    adapter: AdapterParams | None = None
    cache_image_features: bool = True

    learning_rate: float = Field(default=1e-3, gt=0)
    learning_rates: PartRates = PartRates()
    schedule: Literal["cosine", "cosine_restarts", "linear", "constant"] = "cosine"
    num_restarts: int = Field(default=1, ge=1)
    warmup_share: Share = 0.05
    weight_decay: float = Field(default=0.01, ge=0)
    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    adam_beta2: float = Field(default=0.98, ge=0, lt=1)
    max_gradient_norm: float = Field(default=1.0, gt=0)
    max_loss_factor: float = Field(default=20.0, gt=1)

    checkpoint_steps: int = Field(default=400, ge=1)
    metric: Literal["loss", "category_accuracy", "answer_accuracy"] = "loss"
    stopping: StoppingParams | None = None
    num_golden_listings: int = Field(default=8, ge=1)
    tracking: TrackingParams = TrackingParams()
    contrastive: ContrastiveParams = ContrastiveParams()
    prompt: PromptParams = PromptParams()
    stages: tuple[Mapping[str, object], ...] = ()

    @model_validator(mode="after")
    def _stages_are_runs(self) -> Self:
        problems: list[InitErrorDetails] = []
        for index, stage in enumerate(self.stages):
            path = ("stages", index)
            problems += [
                _fixed_in_stages(path, key=key, given=stage[key]) for key in sorted(FIXED_IN_STAGES & stage.keys())
            ]
            try:
                self._run(stage)
            except ValidationError as error:
                problems += problems_below(error, path=path, model=TrainParams)
        if problems:
            raise ValidationError.from_exception_data("stages", problems)
        return self

    def runs(self) -> "tuple[TrainParams, ...]":
        """What is run, one after the other: each stage with everything that it leaves open filled in."""
        return tuple(self._run(stage) for stage in self.stages) or (self,)

    def _run(self, stage: Mapping[str, object]) -> "TrainParams":
        own = {key: value for key, value in stage.items() if key not in FIXED_IN_STAGES}
        return TrainParams.model_validate(overlaid(self.model_dump(exclude={"stages"}), own))


FIXED_IN_STAGES = {"base_model", "num_processes", "prompt", "num_golden_listings", "stages", "allow_other_weights"}


def _fixed_in_stages(path: tuple[str | int, ...], *, key: str, given: object) -> InitErrorDetails:
    error = ValueError("cannot differ between stages, set it for all of them")
    return {"type": "value_error", "loc": (*path, key), "input": given, "ctx": {"error": error}}
