# What a person does with this project. `make help` lists it; cloudbuild.yaml and .ci/run call these targets and nothing else.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

GOLANGCI_LINT := v2.15.0
FUZZTIME      ?= 30s

export UV ?= $(CURDIR)/bin/uv
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations

help: ## List the commands
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## Run a clear and a sealed experiment through the whole path, from nothing, and show each hop
	@bin/studioctl demo

local: build ## Keep a local cloud running until Ctrl-C
	@bin/studioctl local

build: prerequisites bin/uv ## Build every program into bin/
	@[ -x bin/studioctl ] || echo "Building the programs. The first time, Go fetches and compiles what they use: some minutes." >&2
	@go build -trimpath -o bin/ ./cmd/studioctl ./executor ./functions/bridge/cmd/bridge ./functions/finalize/cmd/finalize

studioctl: ## Build studioctl alone, static, into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/studioctl

test: build ## Run every test, with the race detector, against the real RabbitMQ, uv and Python
	@scripts/prerequisites openssl ssh-keygen
	go test -race -tags integration -timeout 30m ./...

test-unit: prerequisites ## Run the tests that need no service and no network
	@scripts/prerequisites openssl ssh-keygen
	go test -race ./...

e2e: build .cache/e2e/installed ## Run the released StudioML client against a local cloud, over the real RabbitMQ and S3
	@scripts/prerequisites git rsync
	.cache/e2e/bin/python -m pytest e2e

lint: bin/golangci-lint ## Check formatting, the house's linters and go.mod
	bin/golangci-lint run ./...
	go mod tidy -diff
	@bash -n $$(grep -lF '#!/usr/bin/env bash' scripts/*) .ci/run

fuzz: ## Fuzz every target for FUZZTIME each (default 30s)
	@scripts/fuzz $(FUZZTIME)

bench: build ## Measure against the bare primitives, in ratios of the same run
	go test -tags integration -run '^$$' -bench . -benchtime 1x ./...

bench-envelope: ## Measure opening a sealed request against RSA, Ed25519 and secretbox alone; fails below 0.95
	@scripts/prerequisites openssl
	go test -run '^$$' -bench 'Opening|RSA' -benchtime 1x ./pkg/envelope

generate: ## Write the Go code of .proto files anew
	go run ./pkg/report/internal/generate

picture: build ## Draw the README's picture anew, from what studioctl demo prints
	@scripts/picture docs/demo.svg

infra-check: ## Check Terraform, manifests, images and cloudbuild.yaml with the real tools, the API server and the image builder included
	@scripts/infra-check all

infra-check-fast: ## The same without building images and planted mistakes, and without an API server where there is none
	@scripts/infra-check fast

manifests: ## Write the example's overlays and the plain deployment.yaml anew
	go run ./infra/kubernetes/render infra/kubernetes/example/deployment.json infra/kubernetes/overlays
	@{ echo '# Written by `make manifests` from infra/kubernetes/plain: the pool gpu-t4 on one cluster, without a scaler. See README.md beside it.'; \
		kubectl kustomize infra/kubernetes/plain; } > infra/kubernetes/deployment.yaml

pin-images: ## Write the digests that the base images' tags have now into the Dockerfiles
	@scripts/pin-images

prerequisites:
	@scripts/prerequisites

bin/uv: scripts/uv.version
	@python3 -m venv --clear .cache/uv && .cache/uv/bin/pip install -q --disable-pip-version-check "uv==$$(cat $<)"
	@mkdir -p bin && cp .cache/uv/bin/uv $@ && touch $@

.cache/e2e/installed: e2e/requirements.txt e2e/constraints.txt
	@python3 -m venv --clear .cache/e2e && .cache/e2e/bin/pip install -q --disable-pip-version-check -r e2e/requirements.txt -c e2e/constraints.txt
	@touch $@

bin/golangci-lint: .golangci.yml
	@mkdir -p bin && [ -x $@ ] && $@ version 2>/dev/null | grep -q '$(GOLANGCI_LINT:v%=%)' || GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	@touch $@

clean: ## Remove what was built
	rm -rf bin .cache

.PHONY: help demo local build studioctl test test-unit e2e lint fuzz bench bench-envelope generate picture infra-check infra-check-fast manifests pin-images prerequisites clean
