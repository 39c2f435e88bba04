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

COMMA      := ,

# Figures on other data: DATA=parquet:PATH (or any --data SPEC), and options of
# the data in DATA_FLAGS, such as DATA_FLAGS="--grey --limit 10000".
DATA       ?=
DATA_FLAGS ?=

FIGS       := fig-stages fig-speed fig-dominance fig-natural fig-depth fig-order fig-resnet fig-forecast fig-shortcut fig-texture fig-audit
.PHONY: help setup build test test-core doc bench gpu-check clean figures study-forecast study-shortcuts study-cues $(FIGS)

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
	$(CARGO) test --release --locked --no-default-features $(QUICKLY_BUILT)

# The same tests as with libtorch, once more: less optimised they are built in a fraction of the time.
QUICKLY_BUILT := --config profile.release.package.domfreq.opt-level=1

test-core: ## the tests of the core alone: needs no libtorch
	$(CARGO) test --release --locked --no-default-features $(QUICKLY_BUILT)

doc: $(READY) ## the library's documentation
	$(CARGO) doc --release --locked --no-deps

# --- benchmarks ---------------------------------------------------------------

BENCH_ENV  := .venv-bench/.ready

$(BENCH_ENV):
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH) torchvision numpy scipy safetensors "cleanlab[image]" datasets \
	  pillow pyarrow scikit-image scikit-learn
	touch $@

bench: $(READY) $(BENCH_ENV) ## speed, each with its Python peer's in the same run
	$(CARGO) bench --locked --bench spectrum --bench theory --bench training --bench resnet --bench audit --bench quick --bench shortcuts --bench images

# On a machine with a GPU on which nothing need be built: BIN=PATH is a binary made
# elsewhere; PyTorch, where $(PYTHON) has it, lends its CUDA libraries and is the peer.
DEVICE     ?= cuda
TORCH_LIB   = import os, torch; own = os.path.join(os.path.dirname(torch.__file__), "lib"); \
  print(":".join(filter(None, [own, os.environ.get("LD_LIBRARY_PATH")])))
LENT        = LD_LIBRARY_PATH=$$($(PYTHON) -c '$(TORCH_LIB)' 2>/dev/null || echo "$${LD_LIBRARY_PATH:-}") $(BIN)
PEER        = $(FIGURES)/gpu-peer.json

gpu-check: $(if $(filter file,$(origin BIN)),build) ## does the GPU compute what the CPU computes, and how fast [BIN=PATH DATA=SPEC ONLY=NETWORKS]
	@mkdir -p $(FIGURES) $(RUNS)
	rm -f $(PEER)
	if $(PYTHON) -c 'import torchvision' 2>/dev/null; then \
	  $(PYTHON) benches/peers/resnet.py --device $(DEVICE) --budget 5 > $(PEER).new && mv $(PEER).new $(PEER); \
	else echo "no PyTorch for $(PYTHON): speeds without a peer" >&2; fi
	$(LENT) gpu-check --device $(DEVICE) --out $(FIGURES)/gpu-check.json $(if $(ONLY),--only $(ONLY)) $$(if [ -f $(PEER) ]; then echo --peer $(PEER); fi)
	$(LENT) train --model resnet50 --data shapes:count=128 --size 224 --steps 4 --batch 32 --jacobians 0 \
	  --probe-samples 64 --device $(DEVICE) --out $(RUNS)/gpu-resnet50 --force > /dev/null
	time $(LENT) audit $(RUNS)/gpu-resnet50 --limit 100 --only heatmap --quick --device $(DEVICE) --out $(RUNS)/gpu-audit --force > /dev/null
	$(if $(DATA),$(LENT) train --config assets/config/cifar10-resnet18-cuda.toml --data "$(DATA)" --device $(DEVICE) --out $(RUNS)/gpu-resnet18 --force)

# --- figures ------------------------------------------------------------------

STAGES     := $(if $(DATA),stages-images,stages)

fig-stages: build ## Figure 1: discovery of the modes, FCNN and LCNN [DATA=SPEC DATA_FLAGS=…]
	@mkdir -p $(FIGURES)
	for net in fcnn lcnn; do \
	  $(BIN) train --config assets/config/$(STAGES)-$$net.toml --out $(RUNS)/$(STAGES)-$$net --force \
	    $(if $(DATA),--data "$(DATA)") $(DATA_FLAGS); \
	done
	$(BIN) figure stages $(RUNS)/$(STAGES)-fcnn $(RUNS)/$(STAGES)-lcnn --out $(FIGURES)/$(STAGES).png

# $(call train,CONFIG,RUN,FLAGS): one run, its table kept out of the way.
ON_DATA     = $(if $(DATA),--data "$(DATA)") $(DATA_FLAGS)
train       = $(BIN) train --config assets/config/$(1).toml --out $(RUNS)/$(2) --force $(3) > /dev/null
# Runs on other data stand beside those on the embedded ones, and so do figures.
ALSO        = $(if $(DATA),-images)

fig-speed: build ## how much faster a convolution is, over the concentration of modes [DATA=SPEC]
	@mkdir -p $(FIGURES)
ifdef DATA
	for net in fcnn lcnn; do $(call train,speed,speed-images/$$net,--model $$net $(ON_DATA) $(if $(findstring --steps,$(DATA_FLAGS)),,--steps 12000)); done
	$(BIN) figure speed $(RUNS)/speed-images/* --out $(FIGURES)/speed-images.png
else
	for at in 8:1 8:2 8:4 8:8 8:16 8:30 16:1 16:2 16:4 16:8 16:16 16:32 16:64 16:126 \
	          32:1 32:4 32:16 32:64 32:256 32:510; do \
	  for net in fcnn lcnn; do \
	    $(call train,speed,speed/$$at-$$net,--model $$net --data spread:size=$${at%:*}$(COMMA)frequencies=$${at#*:}); \
	  done; \
	done
	$(BIN) figure speed $(RUNS)/speed/* --out $(FIGURES)/speed.png
endif

fig-dominance: build ## with which frequencies a mode is learned, over time and scale of weights [DATA=SPEC MODE=N]
	@mkdir -p $(FIGURES)
	for net in fcnn lcnn; do for scale in 1e-1 1e-2 1e-3 1e-4 1e-5 1e-6; do \
	  $(call train,dominance,dominance$(ALSO)/$$net-$$scale,--model $$net --scale $$scale $(ON_DATA)); \
	done; done
	$(BIN) figure dominance --mode $(or $(MODE),1) --out $(FIGURES)/dominance$(ALSO).png \
	  $(RUNS)/dominance$(ALSO)/fcnn-1e-3 $(RUNS)/dominance$(ALSO)/lcnn-1e-3 $(RUNS)/dominance$(ALSO)/*cnn-1e-[12456]

fig-natural: build ## modes of natural images, what networks use for them, and when [DATA=SPEC]
	@mkdir -p $(FIGURES)
	$(call train,natural,natural$(ALSO)/fcnn,--model fcnn --theory mode$(COMMA)flow $(ON_DATA))
	$(call train,natural,natural$(ALSO)/lcnn,--model lcnn --theory stationary$(COMMA)flow $(ON_DATA))
	$(BIN) figure natural $(RUNS)/natural$(ALSO)/fcnn $(RUNS)/natural$(ALSO)/lcnn --out $(FIGURES)/natural$(ALSO).png

# Scales at which all end-to-end maps start as that of one layer at 1e-3; steps
# small enough for the sudden transitions of deep networks.
DEPTH_ETA   = $(if $(DATA),,--eta 2.5e-4 --steps 14000)

fig-depth: build ## 1 to 4 convolution layers: sparser in frequency than one [DATA=SPEC]
	@mkdir -p $(FIGURES)
	for at in 1:1e-3 2:4e-3 3:8e-3 4:1.2e-2; do \
	  $(call train,depth,depth$(ALSO)/$${at%:*},--layers $${at%:*} --scale $${at#*:} $(DEPTH_ETA) $(ON_DATA)); \
	done
	$(BIN) figure depth $(RUNS)/depth$(ALSO)/* --out $(FIGURES)/depth$(ALSO).png

fig-order: build ## half-times predicted and measured, on several data sets [DATA=SPEC adds one]
	@mkdir -p $(FIGURES)
	for net in fcnn lcnn; do \
	  for data in leaves textures shapes; do \
	    $(call train,order,order$(ALSO)/$$data-$$net,--model $$net --data $$data --size 16); \
	  done; \
	  $(call train,order,order$(ALSO)/spread-$$net,--model $$net --data spread); \
	  $(if $(DATA),$(call train,order,order$(ALSO)/yours-$$net,--model $$net $(ON_DATA));) \
	done
	$(BIN) figure order $(RUNS)/order$(ALSO)/* --out $(FIGURES)/order$(ALSO).png

RESNET      = $(or $(MODEL),resnet8)

fig-resnet: build ## a ResNet under the same eyes: strengths, order, templates, kernels [DATA=SPEC MODEL=resnet20]
	@mkdir -p $(FIGURES)
	$(BIN) train --config assets/config/resnet$(ALSO).toml --model $(RESNET) --out $(RUNS)/$(RESNET)$(ALSO) --force $(ON_DATA) > /dev/null
	$(BIN) figure resnet $(RUNS)/$(RESNET)$(ALSO) --out $(FIGURES)/resnet$(ALSO).png

# What is there already stays: a figure that was stopped goes on.
fig-forecast: build ## the order of discovery in a ResNet, forecast from the data alone, over data sets and seeds
	@mkdir -p $(FIGURES)
	$(BIN) sweep run assets/sweeps/forecast.toml --out $(RUNS)/forecast
	$(BIN) figure forecast $(RUNS)/forecast --out $(FIGURES)/forecast.png

study-forecast: build ## the study behind it, on DATA=SPEC of ten classes: more networks, both losses, kernel flow; hours
	$(if $(DATA),,$(error study-forecast needs DATA=SPEC, such as DATA=parquet:PATH))
	@mkdir -p $(FIGURES)
	$(BIN) sweep run assets/sweeps/study.toml --var "data=$(DATA)" --out $(RUNS)/study
	$(BIN) figure forecast $(RUNS)/study --out $(FIGURES)/study-forecast.png

# Cues of so many frequencies, and of these amplitudes relative to the content.
CUES        = 1 2 4 8 16 32
AMPLITUDES  = 0.25 0.354 0.5 0.707 1 1.414 2 2.828 4
ON_CUES     = --center false --batch 64 --eta 0.02 --epochs 5 --jacobians 0 --theory none

fig-shortcut: build ## when networks take a cue instead of the content: over its amplitude and concentration
	@mkdir -p $(FIGURES)
	for m in $(CUES); do for a in $(AMPLITUDES); do \
	  cue=shortcut:cue=$$m$(COMMA)amplitude=$$a; \
	  for net in fcnn lcnn; do \
	    $(call train,shortcut,shortcut/$$net-$$m-$$a,--model $$net --data $$cue); \
	  done; \
	  $(BIN) train --model resnet8 --data $$cue$(COMMA)noise=0.5$(COMMA)count=512 $(ON_CUES) \
	    --eval test,validation --set eval.every=0.5 \
	    --out $(RUNS)/shortcut/resnet8-$$m-$$a --force > /dev/null; \
	done; done
	$(BIN) figure shortcut $(RUNS)/shortcut/* --out $(FIGURES)/shortcut.png

# Textures of so many octaves, their phases kept or drawn anew for each image; shapes
# in one place and one size, so that linear networks can read them.
OCTAVES     = 0 0.5 1 2 3 4
SHAPES      = classes=2$(COMMA)size=24$(COMMA)count=1000$(COMMA)agree=1/0$(COMMA)turn=no$(COMMA)shift=0$(COMMA)radius=0.4/0.4
TEXTURES    = frequencies=0.15/0.3$(COMMA)contrast=0.2$(COMMA)step=0.15$(COMMA)noise=0.1

fig-texture: build ## shape or texture: over the width of the textures' spectra, with phases kept and scrambled
	@mkdir -p $(FIGURES)
	for phases in kept scrambled; do for width in $(OCTAVES); do \
	  data=conflict:$(SHAPES)$(COMMA)$(TEXTURES)$(COMMA)width=$$width$(COMMA)phases=$$phases; \
	  for net in fcnn lcnn; do \
	    $(call train,texture,texture/$$net-$$phases-$$width,--model $$net --data $$data); \
	  done; \
	  $(BIN) train --model resnet8 --data $$data $(ON_CUES) --eval test --out $(RUNS)/texture/resnet8-$$phases-$$width \
	    --force > /dev/null; \
	done; done
	$(BIN) figure texture $(RUNS)/texture/* --out $(FIGURES)/texture.png

# How good `shortcuts` is on your images: hours.
study-shortcuts: build ## planted cues found, and false alarms, over norms and parts of a class [DATA=SPEC]
	$(if $(DATA),,$(error study-shortcuts needs DATA=SPEC, such as DATA=parquet:PATH))
	@mkdir -p $(FIGURES)
	$(BIN) calibrate --data "$(DATA)" $(DATA_FLAGS) --norms 0.25,0.5,1,2 --draws 20 --subsets 120 --out $(FIGURES)/shortcuts

# When a network takes a cue: each of these norms, trained with and without, on DATA=SPEC. About an hour.
KINDS       = cosine cosine-random bands ar blocks patch patch-random watermark tint brightness border blur jpeg
study-cues: build ## how early a ResNet takes planted cues, against what the data alone say [DATA=SPEC]
	$(if $(DATA),,$(error study-cues needs DATA=SPEC, such as DATA=parquet:PATH))
	@mkdir -p $(FIGURES)
	for norm in 2 4; do for cue in $(KINDS); do for as in cue clean; do \
	  $(BIN) train --model resnet8 --data planted:cue=$$cue$(COMMA)norm=$$norm$(COMMA)as=$$as/conflict$(COMMA)over=$(DATA) \
	    $(DATA_FLAGS) --limit 2560 --epochs 12 --batch 128 --eta 0.02 --jacobians 0 --probe-samples 300 \
	    --set probe.every=6 --set eval.limit=2000 --theory none --eval test \
	    --out $(RUNS)/cues/$$cue-$$norm-$$as --force > /dev/null; \
	done; done; done
	$(BIN) figure early $(RUNS)/cues/* --out $(FIGURES)/cues.png

AUDITED     = $(RUNS)/audited$(ALSO)

fig-audit: build ## on which frequencies a trained network lives; report in runs/audit [DATA=SPEC MODEL=resnet20]
	@mkdir -p $(FIGURES)
	$(call train,$(if $(DATA),resnet-images,audit),audited$(ALSO),--model $(RESNET) $(ON_DATA))
	$(BIN) audit $(AUDITED) --out $(RUNS)/audit$(ALSO) --force > /dev/null
	$(BIN) figure audit $(RUNS)/audit$(ALSO) --out $(FIGURES)/audit$(ALSO).png

figures: $(FIGS) ## all figures, and a page with them and their verdicts: figures/index.html
	$(BIN) figure index $(FIGURES)

clean: ## runs, figures and builds (not libtorch)
	rm -rf $(RUNS) $(FIGURES)
	$(CARGO) clean
