# Requires only make and Python 3.11 or later. The first target that needs it installs every other
# tool into .venv.

PYTHON ?= python3
ARGS ?=
# The Python of the system, for its packages.
SYSTEM_PYTHON ?= /usr/bin/python3
# How many processes run the tests; 0 runs them in one, as a debugger needs.
JOBS ?= 2
# The seconds that `make fuzz` gives each decoder.
TIME ?= 60

VENV := .venv
VENV_GENERATE := .venv-generate
VENV_PROTOBUF6 := .venv-protobuf6
VENV_FUZZ := .venv-fuzz
VENV_INTERCHANGE := .venv-interchange
VENV_TRAINER := .venv-trainer
VENV_WEB := .venv-web
VENV_NATIVE := .venv-native
VENV_RAY := .venv-ray
VENV_SPARK := .venv-spark
VENV_WHEELS := .venv-wheels
VENV_DOCS := .venv-docs
BIN := $(VENV)/bin

# The targets of Rust that `make native-wheels` builds for.
WHEEL_TARGETS ?= x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu

PYTEST := -m pytest -n $(JOBS)
# The tests that depend on Python's protobuf: they also run on its oldest major.
PROTOBUF_TESTS := tests/betterproto tests/building tests/conformance tests/diffing tests/digest \
	tests/interchange \
	tests/linting tests/schema tests/schema_reflection tests/serialization tests/validation \
	tests/interop/test_betterproto.py tests/interop/test_protobuf.py tests/interop/test_python.py \
	--deselect tests/conformance/test_vectors.py::test_every_file_of_cases_is_up_to_date

# The tests whose code calls the native core. With the few examples of a developer's run: the tests
# of the core itself have more of their own.
NATIVE_TESTS := tests/api/test_native_engine.py tests/bulk/test_arrow.py tests/bulk/test_kernel.py \
	tests/conformance tests/digest tests/serialization tests/validation \
	tests/interop/test_python.py tests/exchange/test_content.py tests/exchange/test_request_guards.py tests/exchange/client/test_bundles.py \
	tests/exchange/client/test_documents.py tests/exchange/client/test_feedback.py \
	tests/exchange/store/test_documents.py tests/exchange/store/test_feedback.py \
	--deselect tests/conformance/test_vectors.py::test_every_file_of_cases_is_up_to_date
NATIVE_SOURCES := $(shell find native -name target -prune -o -name '*.rs' -print -o -name '*.toml' -print \
	-o -name Cargo.lock -print)

VERSION := python/crucible_ir/version.py
RULES_PROTO := third_party/buf/validate/validate.proto

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run demo check test nightly interop test-interchange test-trainer test-web \
	test-ray test-spark witness \
	test-protobuf6 native lint-native test-native fuzz-native native-wheels \
	packages lint format \
	check-format types generate check-generated breaking release-image check-package docs bench \
	bench-exchange bench-ray screenshots bench-web fuzz clean

help: ## Show this list
	@echo "Usage: make TARGET [ARGS=...] [PYTHON=python3.12]"
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)$$/\1|\2/p' $(MAKEFILE_LIST) \
		| awk -F'|' '{ printf "  %-16s %s\n", $$1, $$2 }'

setup: $(VENV)/.installed ## Make the environment .venv with the package and every tool

run: setup ## Tour the examples: validate, show and convert them, and send them through an exchange
	$(BIN)/python examples/tour.py $(ARGS)

demo: setup ## Show the console with example data (ARGS="--data DIR" keeps the data)
	$(BIN)/crucible-ir demo $(ARGS)

check: lint check-format types ## Check style, layers and types, and run the quick tests
	$(BIN)/python $(PYTEST) --dist worksteal -m "not slow and not toolchain" \
		--ignore=tests/exchange $(ARGS)

test: setup $(VENV_GENERATE)/.installed $(RULES_PROTO) ## Run every test of Python, and the doctests (ARGS="-k name")
	$(BIN)/python $(PYTEST) --dist worksteal -m "not toolchain" $(ARGS)

nightly: setup $(VENV_GENERATE)/.installed $(RULES_PROTO) ## Run the tests for hours: ten times the examples, and 1,000 kills
	CRUCIBLE_IR_EXAMPLES=10 CRUCIBLE_IR_KILLS=1000 $(BIN)/python $(PYTEST) --dist worksteal \
		-m "not toolchain" -o timeout=0 $(ARGS)

# The tests of one language share its build and its package, so one process runs them.
interop: setup ## Run the tests of the other languages whose tools are installed
	$(BIN)/python $(PYTEST) --dist loadfile -m toolchain tests/interop $(ARGS)

# The servers of others start slowly, so one process runs all tests of a file.
test-interchange: $(VENV_INTERCHANGE)/.installed ## Run the tests against the SDKs and servers of others
	$(VENV_INTERCHANGE)/bin/python $(PYTEST) --dist loadfile -m judge tests/interchange/judges $(ARGS)

test-trainer: $(VENV_TRAINER)/.installed ## Test the callback in a Trainer of Hugging Face (needs PyTorch)
	$(VENV_TRAINER)/bin/python -m pytest -m trainer tests/tracking/trainer $(ARGS)

# The tests of a file share a server, so one process runs them.
test-web: $(VENV_WEB)/.installed ## Test the console in a browser, and the HTTP API and the hooks with tools of others
	$(VENV_WEB)/bin/python $(PYTEST) --dist loadfile -m web tests/web/judges tests/web/browser tests/workflow \
		$(ARGS)

# The tests share one cluster, so one process runs them.
test-ray: $(VENV_RAY)/.installed ## Test the tables on a local cluster of Ray with two workers
	$(VENV_RAY)/bin/python -m pytest -m ray tests/bulk/cluster $(ARGS)

test-spark: $(VENV_SPARK)/.installed ## Test the recipe for Spark (needs Java 17; `.ci/run` leaves it out)
	$(VENV_SPARK)/bin/python -m pytest -m spark tests/bulk/spark $(ARGS)

witness: setup ## Run the conformance tests of protobuf and of protovalidate (needs Node.js and Go)
	$(BIN)/python tests/witness/run.py

# With the few examples of a developer's run: what differs between majors does not need many.
test-protobuf6: $(VENV_PROTOBUF6)/.installed ## Run the tests that depend on protobuf, on its oldest major
	$(VENV_PROTOBUF6)/bin/python -c 'import google.protobuf as p; print("protobuf", p.__version__)'
	CRUCIBLE_IR_EXAMPLES=0.2 $(VENV_PROTOBUF6)/bin/python $(PYTEST) --dist worksteal -m "not toolchain" \
		$(PROTOBUF_TESTS) $(ARGS)

native: setup ## Build the native core and install it into .venv (needs Rust)
	$(need-cargo)
	$(BIN)/python -m pip install --quiet ./native/python
	$(BIN)/crucible-ir --version

lint-native: ## Check the format and the code of the native core and the crates (needs Rust)
	$(need-cargo)
	$(CARGO) fmt --all --check
	cargo fmt --check --manifest-path packages/crate/generator/Cargo.toml
	rustfmt --check --edition 2024 packages/crate/src/lib.rs
	$(CARGO) clippy --workspace --all-targets --locked --quiet -- --deny warnings

# The package must use the core here. Without it, `make test` runs the same tests.
test-native: $(VENV_NATIVE)/.core ## Test the native core, and the package with it (needs Rust)
	$(CARGO) test --workspace --locked --quiet
	CRUCIBLE_IR_EXAMPLES=$${CRUCIBLE_IR_EXAMPLES:-1} $(VENV_NATIVE)/bin/python $(PYTEST) \
		--dist worksteal -m native tests/native $(ARGS)
	CRUCIBLE_IR_EXAMPLES=0.2 CRUCIBLE_IR_NATIVE=1 $(VENV_NATIVE)/bin/python $(PYTEST) \
		--dist worksteal -m "not slow and not toolchain" $(NATIVE_TESTS) $(ARGS)

lint: setup $(RULES_PROTO) ## Check the code with ruff, its layers, the schema, the Containerfile and the workflows
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint deploy/Containerfile
	@if command -v go >/dev/null; then cd tools/workflows && GOWORK=off go tool actionlint \
		../../.github/workflows/*.yml; \
		else echo "Go is not installed: .github/workflows is not checked."; fi
	$(BIN)/buf lint

format: setup ## Format the code and the schema in place
	$(BIN)/ruff format
	$(BIN)/buf format proto --write

check-format: setup ## Fail if `make format` would change a file
	$(BIN)/ruff format --check
	$(BIN)/buf format proto --diff --exit-code

types: setup ## Check the types with mypy --strict
	$(BIN)/mypy

# protoc's plugins need an older protobuf than the package's tests, so they run in an environment of
# their own. The second command imports their output. Without Go, gen/go stays as it is.
generate: setup $(VENV_GENERATE)/.installed $(RULES_PROTO) ## Write everything derived from the schema
	$(VENV_GENERATE)/bin/python tools/generate.py
	$(BIN)/python tools/generate_data.py

check-generated: setup $(VENV_GENERATE)/.installed $(RULES_PROTO) ## Fail if `make generate` would change a file
	$(VENV_GENERATE)/bin/python tools/generate.py --check
	$(BIN)/python tools/generate_data.py --check

breaking: setup $(RULES_PROTO) ## Fail if the schema has a breaking change since a release in tests/compat
	$(BIN)/python tools/check_breaking.py

release-image: setup check-generated ## Save this version's schema, lints and documents for later checks
	$(BIN)/python tools/snapshot_release.py

check-package: setup ## Build the sdist and the wheel, and use the wheel in new environments
	$(BIN)/python tools/check_package.py

docs: $(VENV_DOCS)/.installed ## Build the documentation site into build/docs, and check its links
	PYTHONPATH=tests $(VENV_DOCS)/bin/python tools/build_docs.py

# The Python engine first; `benchmarks.engines` compares the native engine, if `make native` has
# installed it.
bench: setup ## Measure and print the figures of the README and of docs/performance.md
	$(BIN)/python benchmarks/import_time.py
	CRUCIBLE_IR_NATIVE=0 $(BIN)/python benchmarks/validation.py $(ARGS)
	CRUCIBLE_IR_NATIVE=0 $(BIN)/python -m benchmarks.serialization $(ARGS)
	$(BIN)/python -m benchmarks.engines $(ARGS)
	$(BIN)/python -m benchmarks.bulk $(ARGS)
	$(BIN)/python -m benchmarks.bad_records $(ARGS)
	$(BIN)/python -m benchmarks.betterproto $(ARGS)
	$(BIN)/python -m benchmarks.interchange

fuzz: $(VENV_FUZZ)/.installed ## Fuzz every decoder (TIME=600 seconds each, ARGS=yaml for one)
	$(VENV_FUZZ)/bin/python fuzz/run.py --time $(TIME) $(ARGS)

native-wheels: setup $(VENV_WHEELS)/.installed ## Build the wheels of the native core into dist/ and try them (needs Rust)
	$(need-cargo)
	rm -f dist/crucible_ir_native-*
	$(VENV_WHEELS)/bin/maturin sdist --manifest-path native/python/Cargo.toml --out dist
	for target in $(WHEEL_TARGETS); do PATH="$$PWD/$(VENV_WHEELS)/bin:$$PATH" maturin build --release \
		--locked --zig --compatibility manylinux2014 --target $$target \
		--manifest-path native/python/Cargo.toml --out dist || exit 1; done
	$(BIN)/python tools/check_native_wheels.py

# Without the program of a language, its package is not built; on CI that is an error.
packages: setup ## Build the packages of npm, Maven, Go and Rust into dist/ (ARGS=npm for one)
	$(BIN)/python tools/build_packages.py $(ARGS)

fuzz-native: setup ## Fuzz every entry point of the native core (TIME=600 seconds each, ARGS=check for one)
	$(need-cargo)
	PYTHONPATH=tools $(BIN)/python fuzz/native_core.py --time $(TIME) $(ARGS)

bench-exchange: setup ## Measure the exchange against bare SQLite and bare gRPC (ARGS="--soak 600 --records 1000000")
	$(BIN)/python benchmarks/exchange.py $(ARGS)

screenshots: $(VENV_WEB)/.installed ## Take the screenshots of the guide to the console (needs chromium)
	PYTHONPATH=tests $(VENV_WEB)/bin/python tools/screenshots.py

bench-ray: $(VENV_RAY)/.installed ## Measure a job on one worker of Ray (ARGS="--events 1000000")
	$(VENV_RAY)/bin/python -m benchmarks.ray_job $(ARGS)

bench-web: $(VENV_WEB)/.installed ## Measure the console in a browser, with 100,000 documents and records
	PYTHONPATH=tests $(VENV_WEB)/bin/python -m benchmarks.web $(ARGS)

clean: ## Remove everything that the other targets create
	rm -rf $(VENV) $(VENV_GENERATE) $(VENV_PROTOBUF6) $(VENV_FUZZ) $(VENV_INTERCHANGE) $(VENV_TRAINER) $(VENV_WEB) \
		$(VENV_NATIVE) $(VENV_WHEELS) $(VENV_DOCS) $(VENV_RAY) $(VENV_SPARK) native/target \
		native/fuzz/artifacts third_party dist build \
		.coverage .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
		tests/interop/*/build tests/interop/*/.*.lock tests/interop/*/gen tests/interop/*/node_modules
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

# An environment is made again when pyproject.toml or the version changes.
define make-venv
@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or \
	sys.exit("$(PYTHON) is Python %d.%d" % sys.version_info[:2])' || \
	{ echo "Python 3.11 or later is needed; name one, as in: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
$(PYTHON) -m venv --clear $(@D)
$(@D)/bin/python -m pip install --quiet --upgrade pip
endef

CARGO := cd native && nice cargo
define need-cargo
@command -v cargo >/dev/null || { echo "The native core is built with Rust, which is not installed: there is \
no cargo. The package works without the core."; exit 1; }
endef

$(VENV)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable . --group dev
	@touch $@

$(VENV_PROTOBUF6)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable . --group dev 'protobuf<7'
	@touch $@

$(VENV_FUZZ)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable . --group fuzz
	@touch $@

$(VENV_INTERCHANGE)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable . --group interchange
	@touch $@

# PyTorch is a package of the system and of its Python.
$(VENV_TRAINER)/.installed: pyproject.toml $(VERSION)
	@$(SYSTEM_PYTHON) -c 'import torch, venv' || { echo "$(SYSTEM_PYTHON) has no PyTorch: install \
python3-torch and python3-venv, or name another, as in: make $(MAKECMDGOALS) SYSTEM_PYTHON=python3.12"; exit 1; }
	$(SYSTEM_PYTHON) -m venv --clear --system-site-packages $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --editable . --group trainer
	@touch $@

$(VENV_WEB)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable '.[web]' --group web
	@touch $@

$(VENV_RAY)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable '.[ray]' --group ray
	@touch $@

$(VENV_SPARK)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable '.[arrow]' --group spark
	@touch $@

$(VENV_NATIVE)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable . --group dev
	@touch $@

$(VENV_NATIVE)/.core: $(VENV_NATIVE)/.installed $(NATIVE_SOURCES)
	$(need-cargo)
	$(@D)/bin/python -m pip install --quiet ./native/python
	@touch $@

$(VENV_WHEELS)/.installed: pyproject.toml
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --group wheels
	@touch $@

$(VENV_DOCS)/.installed: pyproject.toml $(VERSION)
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --editable '.[arrow,web]' --group docs
	@touch $@

$(VENV_GENERATE)/.installed: pyproject.toml
	$(make-venv)
	$(@D)/bin/python -m pip install --quiet --group generate
	@touch $@

$(RULES_PROTO): tools/fetch_third_party.py | $(VENV)/.installed
	$(BIN)/python tools/fetch_third_party.py
	@touch $@
