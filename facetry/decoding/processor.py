"""Prompts to tensors, by the model's own chat template, tokenizer and image processor."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, BatchFeature, PreTrainedTokenizerBase, Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

from facetry.prompting import Prompt, images_of


class ImageTextProcessor(Qwen2VLProcessor):
    """Qwen2-VL's processor without its video half, which would need torchvision; images are resized by Pillow."""

    def __init__(
        self,
        image_processor: Qwen2VLImageProcessorPil,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)  # type: ignore[no-untyped-call]  # transformers'

    @classmethod
    def get_attributes(cls) -> list[str]:
        return ["image_processor", "tokenizer"]

    @classmethod
    def load(cls, folder: str | Path) -> "ImageTextProcessor":
        """The processor of the model folder (or hub name) `folder`."""
        tokenizer = AutoTokenizer.from_pretrained(folder)
        image_processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        return cls(image_processor, tokenizer, chat_template=tokenizer.chat_template)

    def to_dict(self) -> dict[str, Any]:
        """Saved under its parent's name, so that the folder is an ordinary Qwen2-VL one."""
        return {**super().to_dict(), "processor_class": Qwen2VLProcessor.__name__}

    def encode(self, prompts: Sequence[Prompt]) -> BatchFeature:
        """Token ids (lists, unpadded) and pixels of `prompts`, each ending where the answer begins."""
        conversations: list[Any] = [list(prompt.messages) for prompt in prompts]
        texts = self.apply_chat_template(conversations, tokenize=False, add_generation_prompt=True)
        encoded: BatchFeature = self(text=texts, images=images_of(prompts) or None, add_special_tokens=False)
        return encoded
