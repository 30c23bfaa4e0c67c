"""What others train with: transformers' Trainer with a collator that pads, and TRL's SFTTrainer."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoTokenizer,
    PreTrainedModel,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Trainer,
    TrainingArguments,
)
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor

from benchmarks.training.setting import Setting
from facetry.training.batching import IGNORED
from facetry.training.dataset import Example
from facetry.training.loading import NUM_WORKERS
from facetry.training.precision import weight_dtype

END_OF_ANSWER = "<|im_end|>"


class ImageOnlyProcessor(Qwen2VLProcessor):
    """Qwen2-VL's processor without its half for videos, which needs torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        return ["image_processor", "tokenizer"]

    @classmethod
    def load(cls, folder: Path) -> "ImageOnlyProcessor":
        tokenizer = AutoTokenizer.from_pretrained(folder)
        image_processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        return cls(image_processor, tokenizer, chat_template=tokenizer.chat_template)


class PaddingCollator:
    """What a script does: the whole conversation as text, all rows as long as the longest, the prompt masked."""

    def __init__(self, processor: ImageOnlyProcessor) -> None:
        self._processor = processor

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        prompts = [example.prompt for example in examples]
        answers = [answer_of(example) + END_OF_ANSWER for example in examples]
        conversations: list[Any] = [list(prompt.messages) for prompt in prompts]
        begun = self._processor.apply_chat_template(conversations, tokenize=False, add_generation_prompt=True)
        texts = [prompt + answer for prompt, answer in zip(begun, answers, strict=True)]
        images = [image for prompt in prompts for image in prompt.images]
        batch = dict(
            self._processor(text=texts, images=images or None, padding=True, padding_side="right", return_tensors="pt")
        )
        lengths = batch["attention_mask"].sum(dim=1)
        num_learnt = torch.tensor([len(self._processor.tokenizer(answer).input_ids) for answer in answers])
        places = torch.arange(batch["input_ids"].shape[1])
        is_learnt = (places >= (lengths - num_learnt)[:, None]) & (places < lengths[:, None])
        batch["labels"] = batch["input_ids"].where(is_learnt, torch.tensor(IGNORED))
        return batch


def plain(setting: Setting, *, trainer: type[Trainer] = Trainer) -> Trainer:
    """transformers' Trainer and a collator that pads."""
    return trainer(
        model=load(setting),
        args=TrainingArguments(**arguments(setting)),
        train_dataset=setting.rows(lambda example: example),
        data_collator=PaddingCollator(ImageOnlyProcessor.load(setting.shop.model)),
    )


def plain_answers(setting: Setting) -> Trainer:
    """The same, with logits where answers are learnt only."""
    return plain(setting, trainer=AnswerTrainer)


class AnswerTrainer(Trainer):
    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """The mean of the learnt tokens' cross-entropies."""
        inputs = dict(inputs)
        labels = nn.functional.pad(inputs.pop("labels")[:, 1:], (0, 1), value=IGNORED)
        learnt = labels != IGNORED
        logits = model(**inputs, logits_to_keep=learnt).logits
        return nn.functional.cross_entropy(logits.float(), labels[learnt])


def trl(setting: Setting) -> Trainer:
    """TRL's SFTTrainer with prompts and completions, and a collator and a loss of its own."""
    peer, datasets = (importlib.import_module(name) for name in ("trl", "datasets"))
    rows = setting.rows(conversation)

    def look(batch: Mapping[str, Sequence[int]]) -> dict[str, list[object]]:
        found = [rows[place] for place in batch["place"]]
        return {key: [row[key] for row in found] for key in found[0]}

    made: Trainer = peer.SFTTrainer(
        model=load(setting),
        args=peer.SFTConfig(max_length=None, **arguments(setting)),
        train_dataset=datasets.Dataset.from_dict({"place": range(len(rows))}).with_transform(look),
        processing_class=ImageOnlyProcessor.load(setting.shop.model),
    )
    return made


def conversation(example: Example) -> dict[str, object]:
    """An example in the words of TRL, which puts the pictures in front itself."""
    content: Any = example.prompt.messages[0]["content"]
    return {
        "prompt": [{"role": "user", "content": content[-1]["text"]}],
        "completion": [{"role": "assistant", "content": answer_of(example)}],
        "images": list(example.prompt.images),
    }


def answer_of(example: Example) -> str:
    return "".join(part.text for part in example.answer)


def load(setting: Setting) -> PreTrainedModel:
    model: PreTrainedModel = Qwen2VLForConditionalGeneration.from_pretrained(
        setting.shop.model, dtype=weight_dtype(setting.job.params)
    )
    return model


def arguments(setting: Setting) -> dict[str, Any]:
    """What facetry's parameters are called by transformers."""
    params = setting.job.params
    plan = setting.prepared.plan
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(setting.job.state),
        "per_device_train_batch_size": params.batch_size // plan.accumulation_steps,
        "gradient_accumulation_steps": plan.accumulation_steps,
        "num_train_epochs": 1,
        "learning_rate": params.learning_rate,
        "lr_scheduler_type": "constant",
        "weight_decay": params.weight_decay,
        "adam_beta1": params.adam_beta1,
        "adam_beta2": params.adam_beta2,
        "max_grad_norm": params.max_gradient_norm,
        "train_sampling_strategy": "sequential",
        "gradient_checkpointing": plan.gradient_checkpointing,
        "bf16": params.precision == "bf16",
        "use_cpu": not on_gpu,
        "dataloader_num_workers": NUM_WORKERS if on_gpu else 0,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
    }
