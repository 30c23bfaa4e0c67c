"""The Triton model `categorise`: hands each batch of requests to the engine of the release it lies in."""

from __future__ import annotations  # Triton adds the types of pb_utils only after this module is loaded

from collections.abc import Mapping, Sequence
from pathlib import Path

import triton_python_backend_utils as pb_utils

from facetry.errors import RequestError
from facetry.release import load_engine
from facetry.triton.tensors import Tensors, answer_requests


class TritonPythonModel:
    def initialize(self, args: Mapping[str, str]) -> None:
        self.engine = load_engine(Path(args["model_repository"]).parents[1])

    def execute(self, requests: Sequence[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        tensors = [{tensor.name(): tensor.as_numpy() for tensor in request.inputs()} for request in requests]
        return [_response(outputs) for outputs in answer_requests(self.engine, tensors)]


def _response(outputs: Tensors | RequestError) -> pb_utils.InferenceResponse:
    if isinstance(outputs, RequestError):
        refusal = pb_utils.TritonError(str(outputs), pb_utils.TritonError.INVALID_ARG)
        return pb_utils.InferenceResponse(error=refusal)
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])
