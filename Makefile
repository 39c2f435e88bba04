# domfreq: `make fig-stages` draws the main figure, `make test` runs the tests;
# both set up what is missing. `make help` lists the rest.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON     ?= python3
CARGO      ?= cargo
RUNS       ?= runs
FIGURES    ?= figures

# Where libtorch comes from: an existing LIBTORCH or LIBTORCH_USE_PYTORCH wins,
# else .libtorch, which `make setup` fills (.cargo/config.toml points there).
TORCH      := 2.11.0
ifdef LIBTORCH
  READY    :=
else ifdef LIBTORCH_USE_PYTORCH
  READY    :=
else
  READY    := .libtorch/.torch-$(TORCH)$(if $(CUDA),-cuda)
endif

BIN        := $(or $(CARGO_TARGET_DIR),target)/release/domfreq

# Figures on other data: DATA=parquet:PATH (or any --data SPEC), and options of
# the data in DATA_FLAGS, such as DATA_FLAGS="--grey --limit 10000".
DATA       ?=
DATA_FLAGS ?=

.PHONY: help setup build test test-core doc bench fig-stages clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## libtorch into .libtorch (CUDA=1 for the full CUDA set)

# The Linux CPU library needs two small CUDA libraries to load; the full set
# comes as torch's own dependencies. Installed beside its place, then renamed.
.libtorch/.torch-$(TORCH):
	rm -rf .libtorch.new
	extra=$$([ "$$(uname)" = Linux ] && echo "nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85" || true); \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --no-deps --target .libtorch.new torch==$(TORCH) $$extra
	rm -rf .libtorch && mv .libtorch.new .libtorch
	touch $@

.libtorch/.torch-$(TORCH)-cuda:
	rm -rf .libtorch.new
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	  --target .libtorch.new torch==$(TORCH)
	rm -rf .libtorch && mv .libtorch.new .libtorch
	touch .libtorch/.torch-$(TORCH) $@

build: $(READY) ## the release binary
	$(CARGO) build --release --locked

test: $(READY) ## formatting, lints, documentation and all tests, with and without libtorch
	$(CARGO) fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings
	$(CARGO) clippy --release --locked --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --no-deps
	$(CARGO) test --release --locked
	$(CARGO) test --release --locked --no-default-features

test-core: ## the tests of the core alone: needs no libtorch
	$(CARGO) test --release --locked --no-default-features

doc: $(READY) ## the library's documentation
	$(CARGO) doc --release --locked --no-deps

# --- benchmarks ---------------------------------------------------------------

BENCH_ENV  := .venv-bench/.ready

$(BENCH_ENV):
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH) numpy scipy
	touch $@

bench: $(READY) $(BENCH_ENV) ## speed, each with its Python peer's in the same run
	$(CARGO) bench --locked --bench spectrum --bench training

# --- figures ------------------------------------------------------------------

STAGES     := $(if $(DATA),stages-images,stages)

fig-stages: build ## Figure 1: discovery of the modes, FCNN and LCNN [DATA=SPEC DATA_FLAGS=…]
	@mkdir -p $(FIGURES)
	for net in fcnn lcnn; do \
	  $(BIN) train --config assets/config/$(STAGES)-$$net.toml --out $(RUNS)/$(STAGES)-$$net --force \
	    $(if $(DATA),--data "$(DATA)") $(DATA_FLAGS); \
	done
	$(BIN) figure stages $(RUNS)/$(STAGES)-fcnn $(RUNS)/$(STAGES)-lcnn --out $(FIGURES)/$(STAGES).png

clean: ## runs, figures and builds (not libtorch)
	rm -rf $(RUNS) $(FIGURES)
	$(CARGO) clean
