"""Triton on this machine: finding it, starting it on a release, asking it, and ending it."""

from facetry.triton.client import Prediction, predict, read_image
from facetry.triton.foreground import serve
from facetry.triton.install import TritonInstall, find_triton
from facetry.triton.server import TritonServer

__all__ = ["Prediction", "TritonInstall", "TritonServer", "find_triton", "predict", "read_image", "serve"]
