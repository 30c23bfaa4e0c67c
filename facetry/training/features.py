"""Image features, computed once and kept on disk: where nothing of them is learnt, they are the same in every epoch."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from facetry.backbones.encoder import PromptEncoder
from facetry.backbones.family import Features, ImageInput
from facetry.prompting import Prompt
from facetry.training.dataset import Example

BLANK_SIDE_PIXELS = 28
NOTHING_TO_SEE = Prompt(
    ({"role": "user", "content": [{"type": "image"}]},),
    (Image.new("RGB", (BLANK_SIDE_PIXELS, BLANK_SIDE_PIXELS), "white"),),
)
"""Shown where a batch has no picture: what ranks exchange of the vision tower, they exchange in every step."""
CHUNK_BYTES = 256 * 2**20
PIXELS = "pixel_values"
Encoded = Mapping[str, ImageInput]
"""Images by their key."""


def feature_keys(example: Example) -> list[str]:
    """What names the features of each image of an example; some families look otherwise at several than at one."""
    return [f"{key}-of-{len(example.image_keys)}" for key in example.image_keys]


class FeatureStore:
    """The features of images by their keys, read from memory-mapped files when asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, Any] = {}
        self._places: dict[str, dict[str, Path]] = {}

    def __getstate__(self) -> dict[str, object]:
        """A process that loads data opens the files itself."""
        return {"_folder": self._folder, "_files": {}, "_places": {}}

    def __contains__(self, key: str) -> bool:
        return key in self._index()

    def image(self, key: str) -> ImageInput:
        """The image as the model takes it, but for its pixels."""
        names = [name for name in self._index()[key] if not name.isdigit()]
        return ImageInput({name: self._tensor(key, name) for name in names}, num_tokens=len(self._tensor(key, "0")))

    def features(self, key: str) -> Features:
        num_kinds = sum(name.isdigit() for name in self._index()[key])
        return tuple(self._tensor(key, str(kind)) for kind in range(num_kinds))

    def add(self, images: Encoded, features: Mapping[str, Features], *, name: str) -> None:
        """Keep these in a new file, which is whole or not there."""
        tensors = {f"{key}/{each}": tensor for key, image in images.items() for each, tensor in image.tensors.items()}
        tensors = {place: tensor for place, tensor in tensors.items() if not place.endswith(f"/{PIXELS}")}
        tensors |= {f"{key}/{kind}": tensor for key in images for kind, tensor in enumerate(features[key])}
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{name}.partial"
        save_file({place: tensor.contiguous() for place, tensor in tensors.items()}, partial)
        partial.replace(self._folder / f"{name}.safetensors")
        self._places = {}

    @property
    def num_files(self) -> int:
        return len(list(self._folder.glob("*.safetensors")))

    def _index(self) -> Mapping[str, Mapping[str, Path]]:
        if not self._places:
            for path in sorted(self._folder.glob("*.safetensors")):
                for place in self._file(path).keys():  # noqa: SIM118 - it is no dict
                    key, _, name = place.partition("/")
                    self._places.setdefault(key, {})[name] = path
        return self._places

    def _tensor(self, key: str, name: str) -> torch.Tensor:
        tensor: torch.Tensor = self._file(self._index()[key][name]).get_tensor(f"{key}/{name}")
        return tensor

    def _file(self, path: Path) -> Any:  # noqa: ANN401 - safetensors has no types
        if path not in self._files:
            self._files[path] = safe_open(path, framework="pt")
        return self._files[path]


@torch.no_grad()
def fill(
    store: FeatureStore, batches: Iterable[Encoded], *, model: nn.Module, encoder: PromptEncoder, name: str
) -> int:
    """Look at every image of `batches` and keep its features, in files of bounded size; how many there were.

    Every batch is run, known or not, so that ranks that share the model's weights stay together.
    """
    images: dict[str, ImageInput] = {}
    features: dict[str, Features] = {}
    num_images, num_files = 0, store.num_files
    blank = {"": encoder.encode(NOTHING_TO_SEE).images[0]}
    for batch in batches:
        seen = look(batch or blank, model=model, encoder=encoder)
        new = [key for key in batch if key not in store and key not in images]
        images |= {key: batch[key] for key in new}
        features |= {key: seen[key] for key in new}
        num_images += len(new)
        if sum(_num_bytes(each) for each in features.values()) > CHUNK_BYTES:
            store.add(images, features, name=f"{name}-{num_files:05d}")
            images, features, num_files = {}, {}, num_files + 1
    if images:
        store.add(images, features, name=f"{name}-{num_files:05d}")
    return num_images


def look(images: Encoded, *, model: nn.Module, encoder: PromptEncoder) -> dict[str, Features]:
    """The features of some images, on the CPU."""
    whole: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    found = encoder.family.look(whole.model, list(images.values()))
    return {key: tuple(each.cpu() for each in features) for key, features in zip(images, found, strict=True)}


def encode_images(examples: Sequence[Example], *, encoder: PromptEncoder) -> Encoded:
    """The images of some examples as the model takes them."""
    return {
        key: image
        for example in examples
        for key, image in zip(feature_keys(example), encoder.encode(example.prompt).images, strict=True)
    }


def _num_bytes(features: Features) -> int:
    return sum(each.numel() * each.element_size() for each in features)
