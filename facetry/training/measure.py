"""How many tokens each listing takes, told by its words and by its images' headers; no image is decoded."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetry.backbones.encoder import PromptEncoder
from facetry.config import TrainParams
from facetry.errors import RequestError, TrainingError
from facetry.listing import ListingImage
from facetry.progress import ProgressLine
from facetry.prompting import AnswerPart, image_size
from facetry.taxonomy import Taxonomy
from facetry.training.dataset import Example, ListingDataset
from facetry.training.feed import Feed
from facetry.training.sampling import Draw

NUM_REMEMBERED = 65536


@dataclass(frozen=True, slots=True)
class Lengths:
    """For each listing of a feed: the tokens of its prompt and its answer, and those that its images become.

    `answer_tokens` counts the places among them where something is learnt.
    """

    text_tokens: NDArray[np.int32]
    image_tokens: NDArray[np.int32]
    answer_tokens: NDArray[np.int32]

    @property
    def total(self) -> NDArray[np.int32]:
        return self.text_tokens + self.image_tokens

    def __len__(self) -> int:
        return len(self.text_tokens)

    def describe(self) -> str:
        """The lengths for people, as quantiles."""
        if not len(self):
            return "no listings"
        lines = [f"{len(self)} listings, in tokens: {_quantiles(self.total)}"]
        if self.image_tokens.any():
            lines.append(f"their images: {_quantiles(self.image_tokens)}")
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            np.savez(file, text=self.text_tokens, image=self.image_tokens, answer=self.answer_tokens)
        Path(file.name).rename(path)

    @classmethod
    def load(cls, path: Path) -> "Lengths":
        with np.load(path) as saved:
            return cls(saved["text"], saved["image"], saved["answer"])


def _quantiles(tokens: NDArray[np.int32]) -> str:
    half, most, longest = np.quantile(tokens, [0.5, 0.95, 1.0], method="higher")
    return f"half of them up to {half}, 95% up to {most}, the longest {longest}"


def measure(feed: Feed, *, encoder: PromptEncoder, taxonomy: Taxonomy, params: TrainParams) -> Lengths:
    """The lengths of the listings of a feed as they are learnt, with nothing left out.

    A `TrainingError` for one that is longer than what the model can read and say.
    """
    examples = ListingDataset(feed, taxonomy=taxonomy, params=params, varied=False, knows_images=_needs_no_image)
    ruler = _Ruler(encoder, params=params)
    lengths = np.zeros((len(feed), 3), dtype=np.int32)
    with ProgressLine("measuring listings", total=len(feed)) as progress:
        for index in range(len(feed)):
            lengths[index] = ruler.measure(examples[Draw(0, index)], images=feed[index].usable_images)
            progress.advance()
    return Lengths(*lengths.T)


def _needs_no_image(_: Example) -> bool:
    return True


class _Ruler:
    """Measures examples by the model's own tokenizer and image sizes; what comes again is remembered."""

    def __init__(self, encoder: PromptEncoder, *, params: TrainParams) -> None:
        self._encoder = encoder
        self._max_images = params.prompt.max_images
        self._limit = encoder.num_context_tokens
        self._length: Callable[[AnswerPart], int] = lru_cache(NUM_REMEMBERED)(self._length_of_part)
        self._image_tokens: Callable[[int, int, int], int] = lru_cache(NUM_REMEMBERED)(self._tokens_of_image)

    def measure(self, example: Example, *, images: Sequence[ListingImage]) -> tuple[int, int, int]:
        """The tokens of text, of images, and of what is learnt, as `Lengths` has them."""
        template = self._encoder.template_ids(example.prompt)
        prompt = len(template) - template.count(self._encoder.image_token_id)
        answer = sum(self._length(part) for part in example.answer)
        learnt = sum(self._length(part) for part in example.answer if not part.is_question)
        sizes = [size for image in images[: self._max_images] if (size := image_size(image.data)) is not None]
        try:
            pixels = sum(self._image_tokens(*size, len(sizes)) for size in sizes)
        except RequestError as error:
            raise TrainingError(f"listing '{example.listing_id}': {error}") from error
        self._check(example, text=prompt + answer, pixels=pixels, num_images=len(sizes))
        return prompt + answer, pixels, learnt + 1  # the answer's end is learnt too

    def _length_of_part(self, part: AnswerPart) -> int:
        return len(self._encoder.token_ids(part))

    def _tokens_of_image(self, width: int, height: int, num_images: int) -> int:
        return self._encoder.image_tokens(width, height, num_images=num_images)

    def _check(self, example: Example, *, text: int, pixels: int, num_images: int) -> None:
        if text + pixels > self._limit:
            images = f"{num_images} image{'s' if num_images != 1 else ''}"
            raise TrainingError(
                f"listing '{example.listing_id}' takes {text + pixels} tokens ({text} of text, {pixels} of {images}), "
                f"the model reads {self._limit}: lower train.prompt.max_images or train.prompt.max_field_characters, "
                "or the pixels that the model's preprocessor_config.json allows"
            )
