"""Prompts to tensors, by the model's own chat template, tokenizer and image processor."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from jinja2 import TemplateError
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from facetry.backbones.family import AnsweringFamily, ImageInput, ImageProcessor
from facetry.backbones.quiet import quietly
from facetry.backbones.registry import answering_family
from facetry.errors import CheckpointError
from facetry.prompting import AnswerPart, Prompt

PROCESSOR_FILES = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "spiece.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "*processor_config.json",
)
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
CHAT_TEMPLATE_APART = "chat_template.json"
ONE_IMAGE = Prompt(({"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]},), ())


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as the model takes it: it ends where the answer begins."""

    token_ids: tuple[int, ...]
    images: tuple[ImageInput, ...]


class PromptEncoder:
    """Turns prompts into tensors; knows the model's config, and needs none of its weights."""

    def __init__(
        self,
        family: AnsweringFamily,
        *,
        config: PreTrainedConfig,
        tokenizer: PreTrainedTokenizerBase,
        image_processor: ImageProcessor,
    ) -> None:
        self.family = family
        self.config = config
        self.tokenizer = tokenizer
        self.image_token_id: int = config.image_token_id
        self._image_processor = image_processor

    @classmethod
    def load(cls, folder: str | Path) -> "PromptEncoder":
        """The encoder of the model folder (or hub name) `folder`."""
        config = load_config(folder)
        family = answering_family(config, folder=folder)
        try:
            with quietly():
                tokenizer = _load_tokenizer(folder)
                image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        except (OSError, ValueError, ImportError) as error:
            raise CheckpointError(f"model {folder} has no usable processor: {first_line(error)}") from error
        encoder = cls(family, config=config, tokenizer=tokenizer, image_processor=image_processor)
        encoder._check(folder)
        return encoder

    @property
    def num_context_tokens(self) -> int:
        """How many tokens the model can read and say, all in all."""
        return int(self.config.get_text_config().max_position_embeddings)

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        """The prompt's tokens, an image's place as often as the image has tokens, and its images."""
        images = self.family.read_images(prompt.images, image_processor=self._image_processor, config=self.config)
        counts = [image.num_tokens for image in images]
        return EncodedPrompt(self.expand(self.template_ids(prompt), counts), tuple(images))

    def template_ids(self, prompt: Prompt) -> list[int]:
        """The prompt's tokens by the chat template, with a single token for each image."""
        messages: list[Any] = list(prompt.messages)  # contents in parts are not in its annotations
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert isinstance(text, str)
        begins_itself = self.tokenizer.bos_token is not None and text.startswith(self.tokenizer.bos_token)
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=not begins_itself)
        return ids

    def expand(self, ids: Sequence[int], num_image_tokens: Sequence[int]) -> tuple[int, ...]:
        """`ids` with each image's single token repeated as often as the image has tokens."""
        counts = iter(num_image_tokens)
        return tuple(each for token in ids for each in [token] * (next(counts) if token == self.image_token_id else 1))

    def image_tokens(self, width: int, height: int, *, num_images: int = 1) -> int:
        """How many tokens an image of this size becomes in a prompt with so many images."""
        return self.family.image_tokens(
            width, height, num_images=num_images, image_processor=self._image_processor, config=self.config
        )

    def resized_to(self, width: int, height: int) -> tuple[int, int]:
        """The size that an image of this size is brought to; decoding more of it is work for nothing."""
        return self.family.resized_to(width, height, image_processor=self._image_processor)

    def token_ids(self, part: AnswerPart) -> list[int]:
        """The tokens of a piece of an answer, of words only.

        Each piece is split on its own, so that it is the same everywhere.
        """
        ids: list[int] = self.tokenizer.encode(part.text, add_special_tokens=False, split_special_tokens=True)
        return ids

    def positions(self, token_ids: Sequence[int], images: Sequence[ImageInput]) -> torch.Tensor:
        return self.family.positions(token_ids, images, config=self.config)

    def collate(self, images: Sequence[Sequence[ImageInput]]) -> dict[str, torch.Tensor]:
        return self.family.collate(images)

    def encode_batch(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """`prompts` as one batch of the model's arguments, padded on the left; positions are [axes, rows, tokens]."""
        encoded = [self.encode(prompt) for prompt in prompts]
        length = max(len(each.token_ids) for each in encoded)
        positions = torch.zeros(self.family.num_position_axes, len(encoded), length, dtype=torch.long)
        ids = torch.full((len(encoded), length), self.padding_id)
        mask = torch.zeros(len(encoded), length, dtype=torch.long)
        for row, each in enumerate(encoded):
            begin = length - len(each.token_ids)
            ids[row, begin:] = torch.tensor(each.token_ids)
            mask[row, begin:] = 1
            positions[:, row, begin:] = self.positions(each.token_ids, each.images)
        images = self.collate([each.images for each in encoded])
        return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, **images}

    @property
    def end_id(self) -> int:
        """The token that ends an answer."""
        assert self.tokenizer.eos_token_id is not None
        return int(self.tokenizer.eos_token_id)

    @property
    def padding_id(self) -> int:
        return int(self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.end_id)

    def _check(self, folder: str | Path) -> None:
        """An image must be seen and given its place in a prompt, and an answer must be able to end."""
        self.family.check_processor(self._image_processor, config=self.config, folder=folder)
        if self.image_token_id not in self.tokenizer.get_vocab().values():
            raise CheckpointError(
                f"model {folder}: its tokenizer lacks the image token (id {self.image_token_id} of config.json): "
                "take the tokenizer that belongs to the model"
            )
        if self.tokenizer.eos_token_id is None:
            raise CheckpointError(f"model {folder}: its tokenizer has no eos_token: set one in tokenizer_config.json")
        if not self.tokenizer.chat_template:
            raise CheckpointError(f"model {folder} has no chat template: take a model that was taught to answer")
        try:
            num_places = self.template_ids(ONE_IMAGE).count(self.image_token_id)
        except (TemplateError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"model {folder}: its chat template takes no images ({first_line(error)}): "
                "take the chat template that belongs to the model"
            ) from error
        if num_places != 1:
            raise CheckpointError(
                f"model {folder}: its chat template gives an image {num_places} image tokens, must be 1: "
                "take the tokenizer and the chat template that belong to the model"
            )


def model_positions(positions: torch.Tensor) -> torch.Tensor:
    """Positions of [axes, rows, tokens] as models take them, which know no axes where there is a single one."""
    return positions[0] if len(positions) == 1 else positions


def load_config(folder: str | Path) -> PreTrainedConfig:
    """The config of the model folder (or hub name) `folder`."""
    if not Path(folder).is_dir() and not HUB_NAME.fullmatch(str(folder)):
        raise CheckpointError(f"there is no model folder at {folder}: give a folder, or a name on the Hugging Face hub")
    try:
        with quietly():
            config: PreTrainedConfig = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot load model {folder}: {first_line(error)}") from error
    return config


def copy_processor(model: str | Path, folder: Path) -> None:
    """Put the tokenizer, template and image processor of a model folder (or hub name) into `folder`, as they are."""
    source = Path(model)
    if not source.is_dir():
        source = Path(snapshot_download(str(model), allow_patterns=list(PROCESSOR_FILES)))
    for pattern in PROCESSOR_FILES:
        for file in source.glob(pattern):
            shutil.copyfile(file, folder / file.name)


def _load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer with its chat template, which older folders keep apart from it."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    if not tokenizer.chat_template:
        apart = cached_file(str(folder), CHAT_TEMPLATE_APART, _raise_exceptions_for_missing_entries=False)
        if apart is not None:
            tokenizer.chat_template = json.loads(Path(apart).read_bytes())["chat_template"]
    return tokenizer


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .:") if lines else type(error).__name__
