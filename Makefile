# Every target does its own set-up. `make demo` and `make test` are where to begin.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(VENV)/uv/bin/uv
PYTEST := $(BIN)/python -m pytest
# Files with few tests have the longest: with those last, as is usual, one process would work on while others are done.
IN_ORDER := --dist loadfile --no-loadscope-reorder
PORT   ?= 3000
GATEWAY_PORT ?= 8700

# Tests start hundreds of processes, and each would compile the program and pytest's assertions anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo tf optimizer ui docs test test-full test-real test-soak lint bench lock clean
.DEFAULT_GOAL := demo

$(UV):
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt

# The runtime alone: what photographers need.
$(VENV)/.base: requirements/base.txt pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/base.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --build-constraints requirements/build.txt --editable .
	touch $@

# With what tests, linters and benches need.
$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt
	touch $@

# With TensorFlow, for the image-quality worker: a gigabyte, so nothing else brings it.
$(VENV)/.tf: requirements/tf.txt $(VENV)/.dev
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/tf.txt
	touch $@

demo: $(VENV)/.base ## Judge and tag the demo photos, in .imageworks/
	$(BIN)/imageworks demo

tf: $(VENV)/.tf ## TensorFlow, which `python -m backends.services.tf_iqa` needs

$(VENV)/.optimize: requirements/optimize.txt $(VENV)/.base
	$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/optimize.txt
	touch $@

optimizer: $(VENV)/.optimize ## GEPA, which `imageworks prompts optimize` needs

ui: $(VENV)/.base ## Dagster's web server and daemon on http://127.0.0.1:$(PORT), and the gateway on $(GATEWAY_PORT)
	$(BIN)/imageworks up --port $(PORT) --gateway-port $(GATEWAY_PORT)

docs: $(VENV)/.dev ## The guides as pages, in site/
	$(BIN)/mkdocs build --strict

test: $(VENV)/.dev ## What must hold before every commit; minutes
	$(PYTEST) -n 3 --dist loadfile -m "not slow and not real"

test-full: test ## Everything that needs no real server: what `test` runs, and the slow ones
	$(PYTEST) -n 3 $(IN_ORDER) -m "slow and not real"

test-real: $(VENV)/.tf ## Against real servers and programs
	$(PYTEST) -n 2 $(IN_ORDER) -m real

test-soak: $(VENV)/.tf ## All of it, with the tests in great numbers at their full counts; hours
	$(PYTEST) -n 2 --dist loadfile --soak

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Ratios measured in one run, into bench/results.json
	$(BIN)/python -m bench

lock: $(UV) ## Resolve the dependencies anew, with hashes and without an index
	$(UV) pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements/base.txt
	$(UV) pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml --extra dev --extra postgres --extra celery --extra k8s -c requirements/base.txt -o requirements/dev.txt
	$(UV) pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml --extra postgres --extra celery --extra k8s -c requirements/dev.txt -o requirements/server.txt
	$(UV) pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml --extra tf -c requirements/dev.txt -o requirements/tf.txt
	$(UV) pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml --extra optimize -c requirements/dev.txt -o requirements/optimize.txt
	printf "uv\nhatchling\neditables\n" | $(UV) pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 - -o requirements/build.txt

clean: ## What the targets here made; .imageworks/ is the user's: results, undo records, prompts, registry.yaml
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
