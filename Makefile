# Comity. Bare `make` lists the targets; `make test` is the one command that says whether the tree is good.

# Tools are pinned here and nowhere else. They are built from source through the Go module proxy.
GOLANGCI_LINT_VERSION := v2.15.0
AGE_VERSION           := v1.3.2

# How much the open-ended targets do; override on the command line: make sim SEEDS=2000
SEEDS    ?= 200
FUZZTIME ?= 20s
BIG      ?= 4GiB
BULK     ?= 4GiB
MINUTES  ?= 10
PKG      ?= ./...

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

# The installed Go is the one we test with; a go line in go.mod must not quietly fetch another.
export GOTOOLCHAIN := local
# The stock tools that scripts and tests call (age of the pinned version) come before the machine's own.
export PATH := $(CURDIR)/.bin/tools:$(PATH)
export GOLANGCI_LINT_VERSION AGE_VERSION

.PHONY: help
help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Build, then let a request cross between two nodes on this machine and tell the story.
	@.bin/comity demo

.PHONY: test
test: ## Install what the tests need, then run all of them: vet, lint, static build, stories of whole nodes, race detector.
	@.ci/test

.PHONY: build
build: ## Build the programs into .bin/, static and without paths of this machine.
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -o .bin/ ./cmd/comity ./cmd/comity-verify

.PHONY: page
page: ## Build the verifier as one HTML file that opens from disk, .bin/comity-verify.html, and print its SHA-256.
	@mkdir -p .bin
	@go run ./cmd/comity-verify/page .bin/comity-verify.html

.PHONY: check
check: vet lint house ## Check format, vet, lint and the plan of the house: the quick look before a commit.

.PHONY: vet
vet: ## Run go vet.
	go vet $(PKG)

.PHONY: lint
lint: ## Run golangci-lint, which also checks the format (built on first use, about 4 minutes).
	@.ci/tools golangci-lint
	golangci-lint run $(PKG)

.PHONY: house
house: ## Check the plan of the house: order of the rooms, places of third parties, requirement ids.
	go test -count=1 -run '^TestHouse' ./cmd/comity

.PHONY: fmt
fmt: ## Format the Go code with gofumpt and goimports.
	@.ci/tools golangci-lint
	golangci-lint fmt

# The race detector leaves out what shares no memory of Go's between goroutines and takes most of the time under it: arithmetic, which works on
# what its caller hands over, and SQLite's own engine, translated from C, whose memory is not on Go's heap, so that the detector would look up each
# access and then pass it by. Whoever calls them is watched.
UNWATCHED := modernc.org/sqlite/lib filippo.io/mldsa/... github.com/cloudflare/circl/... golang.org/x/crypto/scrypt golang.org/x/crypto/pbkdf2 \
  crypto/internal/fips140/edwards25519/... crypto/internal/fips140/nistec/... crypto/internal/fips140/bigmod crypto/internal/fips140/mlkem crypto/internal/fips140/sha3
RACE := CGO_ENABLED=1 go test -race $(UNWATCHED:%=-gcflags=%=-race=false) -count=1 -timeout 45m

# In these the nodes, or the page, are programs of their own, built as people get them, or are measured: the detector would watch whoever watches those.
APART := ./testnet/local ./testnet/hostile ./testnet/bench ./testnet/conformance ./cmd/comity-verify/page

# Stories that run much at once in cmd/comity itself: serve under commands, the demo's two sides, a person who is asked, a node that takes back what it lost.
RACE_STORIES := demo_own_files keys_protected new_era old_backup two_nodes withdraw
OTHER_STORIES := $(filter-out $(RACE_STORIES),$(basename $(notdir $(wildcard cmd/comity/testdata/script/*.txt))))
empty :=
space := $(empty) $(empty)

# Tests that go through everything one by one, or that play the shell's part: nothing runs at once in them. "make stories" has them.
ONE_BY_ONE := ^Test(EveryByteCounts|Recipe.*|AnAuditFindsEveryFlippedBit)$$
UNRACED = ^TestScripts$$/^($(subst $(space),|,$(OTHER_STORIES)))$$|$(ONE_BY_ONE)

# testnet/sim has one processor for each process: its two halves, of about the same length, run beside the rest, of which those that take long go first.
SIM_HALF := Clock|Rotated|Stolen|Director
.PHONY: race
race: ## Run the Go tests with the race detector (PKG=./protocol/... for a part); whole nodes as programs are for "make stories".
	@# Stories of chance take several times as long here; "make stories" plays more of them.
ifeq ($(PKG),./...)
	export SEEDS=5; failed=0; \
	$(RACE) -run '$(SIM_HALF)' ./testnet/sim & half=$$!; \
	$(RACE) -skip '$(SIM_HALF)' ./testnet/sim & others=$$!; \
	$(RACE) -p 2 -skip '$(UNRACED)' ./node/gateway ./store ./cmd/comity $$(go list ./... | grep -vxF "$$(go list $(APART) ./testnet/sim)") || failed=1; \
	wait $$half || failed=1; wait $$others || failed=1; exit $$failed
else
	SEEDS=5 $(RACE) -skip '$(UNRACED)' $(PKG)
endif
	@# The detector's own memory is not what this test means to measure.
	go test -count=1 -run LeavesNoMemory ./store

.PHONY: stories
stories: build ## Play whole nodes: every story of .bin/comity, SEEDS=n simulated networks, real processes, hostile peers, the page.
	COMITY_PROGRAM=$(CURDIR)/.bin/comity SEEDS=$(SEEDS) go test -count=1 -timeout 60m ./testnet/sim ./cmd/comity $(APART)
	go test -count=1 -run '$(ONE_BY_ONE)' ./protocol/bundle ./protocol/parcel ./protocol/vectors ./store

.PHONY: sim
sim: ## Run SEEDS=n simulated networks, each with its own faults; a failure prints its seed.
	SEEDS=$(SEEDS) go test -count=1 -v -timeout 180m ./testnet/sim/...

.PHONY: mutants
mutants: ## Plant bugs one at a time and see that a test finds each (about half an hour; not in CI).
	go run ./testnet/mutants

.PHONY: bench
bench: ## Measure two nodes, what evidence costs, and other programs in turn with them (those come with bench-tools).
	go test -count=1 -timeout 60m -run '^$$' -bench . -benchtime 1x ./testnet/bench/...
	go test -count=1 -run '^$$' -bench Verify ./protocol/bundle
	go test -count=1 -run '^$$' -bench Find ./protocol/directory ./node/control
	go test -count=1 -run '^$$' -bench . ./node/federation
	go test -count=1 -run '^$$' -bench 'Verifier|Sign|Verify' ./crypto/merkle ./crypto/pgp

.PHONY: conformance
conformance: ## Hold our witness and our proofs against another implementation of their specifications.
	go test -count=1 -v ./testnet/conformance

.PHONY: emergency
emergency: ## Send emergency parcels behind BULK=n of bulk (4GiB, MiB or GiB) and compare with an idle link.
	BULK=$(BULK) go test -count=1 -timeout 60m -v -run TestEmergencyBeforeBulk ./testnet/local

.PHONY: big
big: ## Send BIG=n (4GiB) to a node that is killed at half of it, from one that is killed at three quarters.
	COMITY_BIG=$(BIG) go test -count=1 -timeout 60m -v -run TestALargeBodyIsCutTwice ./testnet/local

.PHONY: bench-tools
bench-tools: ## Install NNCP, GnuPG, OpenSSH and rsync for the bench (Debian packages, as root).
	@.ci/tools bench-peers

.PHONY: hostile
hostile: ## Attack a node for MINUTES=n with all hostile programs, then measure each: what it costs, what honest traffic keeps.
	MINUTES=$(MINUTES) go test -count=1 -timeout 120m -v -run 'TestEndurance' -bench Programs -benchtime 1x ./testnet/hostile

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME each (20s unless given).
	@FUZZTIME=$(FUZZTIME) .ci/fuzz $(PKG)

.PHONY: tools
tools: ## Install what the tests need: Debian packages (as root) and the pinned tools in .bin/tools.
	@.ci/tools

.PHONY: clean
clean: ## Remove what was built here; caches of the user stay.
	rm -rf .bin .demo
