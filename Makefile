# `make check` is what a change must pass on its author's machine; .ci/run is
# the same and more on a fresh clone.

FUZZTIME ?= 30s
PKG      ?= ./...
ARGS     ?=

.PHONY: check lint test race bench fuzz cluster run build

check: lint test race

lint:
	@test -z "$$(gofmt -l cmd events handlers projections replay)" || { gofmt -l cmd events handlers projections replay; exit 1; }
	go vet ./...
	.ci/staticcheck ./...

test:
	go test $(PKG)

race:
	go test -race $(PKG)

# Figures of this machine: micro benchmarks, then the server under load.
bench:
	go test -run '^$$' -bench . -benchmem $(PKG)
	go run ./cmd/grantlog bench $(ARGS)

fuzz:
	.ci/fuzz $(FUZZTIME)

# Members of clusters are killed, frozen, parted, damaged and deposed under
# load, each for a minute, and what clients were told is checked. FAULTS=10m for
# longer; FAULTS_SEED=… for the same faults at the same moments again.
FAULTS ?= 1m
FAULTS_SEED ?=
cluster:
	GRANTLOG_FAULTS=$(FAULTS) GRANTLOG_FAULTS_SEED=$(FAULTS_SEED) go test -count=1 -timeout 4h -v -run '^TestFaults$$' ./cmd/grantlog

run:
	go run ./cmd/grantlog serve $(ARGS)

build:
	go build -o grantlog ./cmd/grantlog
