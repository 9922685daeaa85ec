# Basalt's commands. `make help` lists them. Go and a C compiler are all that build, run and test need.

GO      ?= go
CC      ?= cc
CACHE   := $(CURDIR)/.cache
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := $(GO) tool -modfile=tools/go.mod
MODEL   ?= # none: the model in the box

# The CUDA device needs nothing of NVIDIA's to build; cuda/include stands in for the driver's header.
CUDA    := CGO_ENABLED=1 CGO_CFLAGS="-O2 -g -I$(CURDIR)/cuda/include -Wno-deprecated-declarations"

.DEFAULT_GOAL := help
.PHONY: help build run test test-sanitize test-isa fmt lint fuzz bench golden conformance box box-eval clean prereq

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

prereq:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer (https://go.dev/dl, or your system's package golang)"; exit 1; }
	@$(GO) version | awk '{split(substr($$3,3),v,"."); if (v[1]<1 || (v[1]==1 && v[2]<26)) {print "Go " substr($$3,3) " is too old: Go 1.26 or newer is needed (https://go.dev/dl)"; exit 1}}'
	@command -v $(CC) >/dev/null || { echo "a C compiler is missing: install gcc or clang (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc)"; exit 1; }

build: prereq ## build ./basalt
	$(CUDA) $(GO) build -tags cuda -trimpath -ldflags '$(LDFLAGS)' -o basalt ./cmd/basalt

run: build ## build and serve a model on 127.0.0.1:8080
	./basalt serve $(MODEL)

test: prereq ## every test that needs only Go and a C compiler, under the race detector
	$(GO) vet ./...
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...
	$(CUDA) $(GO) vet -tags cuda ./cuda/...
	$(CUDA) $(GO) test -tags cuda -timeout 20m ./cuda/...
	$(CUDA) $(GO) test -tags cuda -timeout 20m -run CUDA ./cmd/basalt

# Go's own flag covers the address sanitizer; cpu/sanitize.go adds what goes with it.
UNDEFINED := -fsanitize=undefined,float-cast-overflow -fno-sanitize-recover=all
test-sanitize: prereq ## the C kernels under the address and undefined-behaviour sanitizers
	ROUNDS=300 sh cpu/testdata/kernels.sh $(CACHE)/kernels/sanitized "portable best" "" \
	  $(CC) -g1 -O1 -DBASALT_SANITIZE -fsanitize=address $(UNDEFINED)
	CGO_ENABLED=1 CGO_CFLAGS="-g1 $(UNDEFINED)" CGO_LDFLAGS=-fsanitize=undefined \
	  $(GO) test -asan -timeout 20m ./cpu

ARM64    := aarch64-linux-gnu-gcc
QEMU     := qemu-aarch64-static -L /usr/aarch64-linux-gnu
ISA_DEBS := libsimde-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
test-isa: prereq ## the AVX-512 and NEON kernels, emulated on x86-64 (SIMDe, QEMU and a cross compiler)
	@command -v $(ARM64) >/dev/null && command -v $(firstword $(QEMU)) >/dev/null && \
	  test -e /usr/include/simde/x86/avx512.h || { echo "apt-get install $(ISA_DEBS)"; exit 1; }
	sh cpu/testdata/kernels.sh $(CACHE)/kernels/native "portable best" "" $(CC) -O2
	sh cpu/testdata/kernels.sh $(CACHE)/kernels/avx512 "avx512 avx512-bf16" "" $(CC) -O2 -Wno-psabi -DBASALT_EMULATE
	sh cpu/testdata/kernels.sh $(CACHE)/kernels/neon neon "$(QEMU)" $(ARM64) -O2
	CGO_ENABLED=1 CGO_CFLAGS="-O2 -Wno-psabi -DBASALT_EMULATE" $(GO) test -timeout 20m ./cpu
	CGO_ENABLED=1 GOARCH=arm64 CC=$(ARM64) $(GO) test -timeout 20m -exec "$(QEMU)" ./cpu

.PHONY: kernels release
kernels: ## compile the CUDA kernels (nvcc 13.0, or its wheels by pip; 100 MB) and print their table
	python3 -B kernels/build.py

release: kernels build ## build ./basalt with machine code for NVIDIA GPUs

.PHONY: gpu-bundle
gpu-bundle: release ## dist/gpu: tests and measurements for a machine with a GPU and without Go
	mkdir -p dist/gpu/testdata/gguf
	cp basalt dist/gpu/
	for f in testdata/*/golden.json testdata/gguf/*/golden.json; do cp -r $$(dirname $$f) dist/gpu/$$(dirname $$(dirname $$f))/; done
	$(CUDA) $(GO) test -c -tags cuda -trimpath -ldflags '-s -w' -o dist/gpu/gpu-test ./cuda
	git rev-parse HEAD > dist/gpu/COMMIT
	@test $$(stat -c %s dist/gpu/gpu-test) -le $$((30 << 20)) || { echo "dist/gpu/gpu-test is over 30 MiB"; exit 1; }
	@ls -l dist/gpu/gpu-test

lint: prereq ## vet, staticcheck, gofumpt and golangci-lint, at pinned versions
	$(GO) vet ./...
	@test -z "$$($(TOOL) gofumpt -l $$(git ls-files '*.go'))" || { $(TOOL) gofumpt -l $$(git ls-files '*.go'); echo "run: make fmt"; exit 1; }
	$(TOOL) staticcheck ./...
	$(TOOL) golangci-lint run ./...

fmt: ## format the Go sources
	$(TOOL) gofumpt -w $$(git ls-files '*.go')

FUZZTIME ?= 30s
fuzz: prereq ## run every fuzz target for FUZZTIME (30s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

ROUNDS_BENCH ?= 3
bench: build ## every workload, beside the last recorded run (WORKLOADS='offline/*,http/*')
	./basalt bench run --workloads '$(WORKLOADS)' --rounds $(ROUNDS_BENCH)

bench-record: build ## make bench, and add the run to bench/history
	@git diff --quiet HEAD -- ':!bench/history' || { echo "commit first: a run is recorded under its commit"; exit 1; }
	./basalt bench run --workloads '$(WORKLOADS)' --rounds $(ROUNDS_BENCH) --record

.PHONY: bench-http
bench-http: prereq ## the API without arithmetic: Converse by 1, 64 and 1,024 connections, and a streamed token
	$(GO) test ./server -run '^$$' -bench 'Converse|StreamedToken' -benchtime 3s

BASE ?= HEAD~1
bench-regress: build ## this tree and the commit BASE in turn: what is better, worse, or the same
	rm -rf $(CACHE)/base && mkdir -p $(CACHE)/base
	git archive $(BASE) | tar -x -C $(CACHE)/base
	cd $(CACHE)/base && CGO_ENABLED=1 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(shell git rev-parse --short $(BASE))' -o basalt ./cmd/basalt
	./basalt bench regress --base $(CACHE)/base/basalt --workloads '$(WORKLOADS)'

bench-report: build ## the record as one HTML page and one image, in dist/
	@mkdir -p dist
	./basalt bench report --html dist/bench-report.html --png dist/bench-report.png

# Debian's Chromium is installed where there is none.
CHROMIUM = $$(command -v chromium || command -v chromium-browser)
test-report: ## look at the report in a browser (headless Chromium), wide and narrow
	@command -v chromium chromium-browser >/dev/null || { apt-get update -q && apt-get install -q -y --no-install-recommends chromium; } || { echo "Chromium is missing, and apt-get cannot install it"; exit 1; }
	$(if $(SHOTS),@mkdir -p $(SHOTS))
	CHROMIUM=$(CHROMIUM) SHOTS=$(SHOTS) $(GO) test -count=1 -run Chromium -v ./bench/page

bench-screenshots: SHOTS = $(CURDIR)/docs/images
bench-screenshots: test-report ## pictures of the report, as docs/ shows them

.PHONY: bench-record bench-regress bench-report test-report bench-screenshots

# Names of rows and of files: basalt bench cpu --help. The files are made by
# tools/shapes/make_gguf.py and llama-quantize.
ROUNDS ?= 5
RECORD ?= $(CACHE)/bench-cpu.jsonl
BENCHCPU = ./basalt bench cpu --models $(MODELS) --rows '$(ROWS)' --rounds $(ROUNDS) --record $(RECORD)

bench-cpu: build bench-models ## the CPU device's table for the GGUF files in MODELS (ROWS, ROUNDS)
	$(BENCHCPU)

bench-peers: build bench-models ## the same in turn with the llama.cpp or ik_llama.cpp whose programs lie in PEER
	@test -x "$(PEER)/llama-bench" || { echo "name the folder of llama-bench, llama-batched-bench and llama-server: make bench-peers PEER=DIR"; exit 1; }
	$(BENCHCPU) --peer $(PEER)

bench-page: build bench-models ## put what bench-cpu and bench-peers recorded of this build into docs/performance.md and bench/history
	$(BENCHCPU) --table --page docs/performance.md --keep bench/history

.PHONY: bench-cpu bench-peers bench-page bench-models

AGREE := $(CACHE)/agree
.PHONY: bench-agree
bench-agree: build $(AGREE)/ready ## the load generator beside GuideLLM and autocannon (Python, Node.js; gigabytes of downloads)
	$(AGREE)/venv/bin/python -B tools/agree/agree.py --basalt ./basalt --autocannon $(AGREE)/node_modules/.bin/autocannon

$(AGREE)/ready: tools/agree/requirements.txt
	python3 -m venv $(AGREE)/venv
	$(AGREE)/venv/bin/pip install --quiet -r tools/agree/requirements.txt
	npm install --silent --no-fund --no-audit --prefix $(AGREE) autocannon@9.0.0
	touch $@
bench-models:
	@test -d "$(MODELS)" || { echo "name the folder of 1b-Q4_0.gguf and the like: make bench-cpu MODELS=DIR"; exit 1; }
	@mkdir -p $(dir $(RECORD))

GOLDEN := $(CACHE)/golden-venv
golden: $(GOLDEN)/ready ## make testdata/ anew with the reference implementation (Python, 4 GB of downloads)
	$(GOLDEN)/bin/python -B tools/golden/make.py $(if $(LLAMA_CPP),--llama-cpp $(LLAMA_CPP)) $(NAMES)

$(GOLDEN)/ready: tools/golden/requirements.txt tools/golden/requirements-v4.txt
	python3 -m venv $(GOLDEN)
	$(GOLDEN)/bin/pip install --quiet --no-deps -r tools/golden/requirements.txt
	$(GOLDEN)/bin/pip install --quiet --no-deps --upgrade --target $(GOLDEN)/v4 -r tools/golden/requirements-v4.txt
	touch $@

conformance: build ## drive ./basalt with the published clients (Python 3.11, Node.js 20; 500 MB of downloads)
	python3 -B tools/conformance/run.py $(SUITES)

BOX := $(CACHE)/box
box: $(BOX)/venv/ready ## train the model in the box anew (hours; Python; resumes; never needed to use it)
	tools/box/make.sh $(BOX)

$(BOX)/venv/ready: tools/box/requirements.txt
	python3 -m venv $(BOX)/venv
	$(BOX)/venv/bin/pip install --quiet --extra-index-url https://download.pytorch.org/whl/cpu -r tools/box/requirements.txt
	touch $@

box-eval: build ## score the model in the box through the API, per device and weight format (Python)
	python3 -B tools/box/evaluate_formats.py --basalt ./basalt $(BOX_EVAL)

NEURONXLA := $(CACHE)/neuron-xla
.PHONY: neuron-golden neuron-abi-check neuron-sanitize
neuron-golden: $(NEURONXLA)/venv/ready ## run the Trainium graphs under XLA on the CPU and store what it makes of them (Python; 100 MB of downloads)
	rm -rf $(NEURONXLA)/cases && mkdir -p $(NEURONXLA)/cases
	BASALT_NEURON_XLA=$(NEURONXLA)/cases $(GO) test -count=1 -run TestWriteXLACases ./neuron
	$(NEURONXLA)/venv/bin/python -B tools/neuron/xla.py $(NEURONXLA)/cases
	BASALT_NEURON_XLA=$(NEURONXLA)/cases $(GO) test -count=1 -v -run TestCompareWithXLA ./neuron

NRT_INCLUDE ?= /opt/aws/neuron/include
neuron-abi-check: ## compare our declarations of libnrt with an installed header (NRT_INCLUDE=DIR)
	@CC='$(CC)' sh tools/neuron/abi_check.sh $(NRT_INCLUDE)

neuron-sanitize: prereq ## the Trainium device and the fake runtime under the race detector, then the address sanitizer
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./neuron/...
	CGO_ENABLED=1 $(GO) test -asan -timeout 20m ./neuron/...

$(NEURONXLA)/venv/ready: tools/neuron/requirements.txt
	python3 -m venv $(NEURONXLA)/venv
	$(NEURONXLA)/venv/bin/pip install --quiet --no-deps -r tools/neuron/requirements.txt
	touch $@

clean: ## remove what the commands made
	rm -rf basalt dist $(CACHE)
