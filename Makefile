# Everything a newcomer runs. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench generated integration charts images clean

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Make the two environments: .venv, and .venv-serving for Triton
	@$(MAKE) --no-print-directory --jobs=2 .venv/ready .venv-serving/ready

demo: setup  ## Go the whole way: draw a shop, clean, split, train, evaluate, release, serve, ask
	@$(BIN)/facetry demo

test: setup  ## Run the tests, real Triton, DVC, Kubeflow and Helm included
	@$(BIN)/pytest

check: setup  ## Lint, check types, and hold what is generated against its source
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/contract tests/pipelines/test_compiled_pipelines.py tests/charts/test_documentation.py

bench: setup  ## Run one benchmark beside its peers, as in `make bench NAME=cleaning` (benchmarks/ has them all)
	@$(BIN)/python benchmarks/$(or $(NAME),$(error name one of $(notdir $(wildcard benchmarks/*)), as in make bench NAME=cleaning))

generated: setup  ## Write what is generated: the compiled pipeline and the chart's README
	@$(BIN)/python -m pipelines.compile
	@$(BIN)/python charts/document.py

integration: setup  ## Run the tests that need an S3 server and containers (tests/services/install.sh brings both)
	@$(BIN)/pytest -m integration

charts: setup  ## Lint and package the Helm charts into build/charts
	@helm=$$($(BIN)/python charts/fetch_helm.py) && for chart in charts/*/; do \
		$$helm lint --strict --values $$chart/ci/minimal-values.yaml $$chart && $$helm package --destination build/charts $$chart; \
	done

images: setup  ## Build the container images with podman, buildah or docker
	@components/images/build

clean:  ## Remove what the commands above made, but for the environments
	rm -rf build data runs .pytest_cache .mypy_cache .ruff_cache

.venv/ready: requirements.lock pyproject.toml
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP_INSTALL) --requirement requirements.lock
	@$(BIN)/python $(PIP_INSTALL) --no-deps --editable .
	@touch $@

.venv-serving/ready: serving/requirements.lock pyproject.toml
	@echo "setting up .venv-serving"
	@$(PYTHON) -m venv .venv-serving
	@.venv-serving/bin/python $(PIP_INSTALL) --no-deps --requirement serving/requirements.lock
	@.venv-serving/bin/python $(PIP_INSTALL) --constraint serving/requirements.lock torch
	@.venv-serving/bin/python $(PIP_INSTALL) --no-deps --editable .
	@touch $@
