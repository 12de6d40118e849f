# SPDX-License-Identifier: Apache-2.0

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LABELS ?=
BENCH ?=
LOCAL := go run ./hack/local
TOOLS := $(CURDIR)/bin

CONTROLLER_GEN_VERSION := v0.23.0
GOLANGCI_LINT_VERSION := v2.12.0
CONTROLLER_GEN := $(TOOLS)/$(CONTROLLER_GEN_VERSION)/controller-gen
GOLANGCI_LINT := $(TOOLS)/$(GOLANGCI_LINT_VERSION)/golangci-lint
# Its cache names files by where they lie: one shared by clones tells of files of a clone that is gone.
GOLANGCI_LINT_CACHE := $(TOOLS)/lint-cache

# The clusters of demo and tests live in folders of their own, each in a network namespace of its own.
DEMO_DIR := .demo
E2E_DIR := .e2e

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "; print "make TARGET\n"} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Set everything up and show four live, measured booking tenants
	$(LOCAL) demo --dir $(DEMO_DIR)

.PHONY: demo-down
demo-down: ## Remove the demo and everything it left on this machine
	$(LOCAL) down --dir $(DEMO_DIR)

.PHONY: test
test: packages unit e2e ## Set everything up and run all tests: unit, envtest, end to end

.PHONY: packages
packages: ## Install the Debian packages the local cluster and the tests need
	$(LOCAL) packages --tests

.PHONY: unit
unit: ## Run unit and envtest suites on real PostgreSQL, API server and object stores
	KUBEBUILDER_ASSETS="$$($(LOCAL) assets)" go test -p 2 -timeout 30m $$(go list ./... | grep -v -e /test/e2e -e /test/bench)

# What runs pg_dump, which the package of the newer server does not carry.
NEEDS_PG_DUMP := TestEnsureIsRecorded|TestEnsureConverges|TestASchemaMadeAtOnce|TestTheBackupRoleReads|TestARetainedTenantServes|TestWhatAKilledRestoreTest

.PHONY: newer
newer: ## Run the tests of database and retention on a newer PostgreSQL than Debian's
	PGTEST_BIN="$$($(LOCAL) postgres)" go test -count=1 -timeout 30m -skip '$(NEEDS_PG_DUMP)' ./internal/postgres ./internal/retention

.PHONY: e2e
e2e: ## Run the end-to-end tests on a real local cluster (LABELS=tamper runs one label)
	go test ./test/e2e -count=1 -timeout 60m -v -args -dir $(CURDIR)/$(E2E_DIR) $(if $(LABELS),-ginkgo.label-filter='$(LABELS)') -ginkgo.v

.PHONY: e2e-down
e2e-down: ## Remove the cluster of the end-to-end tests
	$(LOCAL) down --dir $(E2E_DIR)

.PHONY: bench
bench: ## Measure the budgets (BENCH=provision runs one); fails when one is over
	KUBEBUILDER_ASSETS="$$($(LOCAL) assets)" go test ./test/bench -count=1 -timeout 60m -v -run '$(if $(BENCH),(?i)^TestBench$(BENCH)$$,^TestBench)'

.PHONY: build
build: ## Build both programs into bin/: termintreu, and termintreu-operand that tenants' pods run
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/termintreu .
	CGO_ENABLED=0 go build -tags operand -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/termintreu-operand .

.PHONY: image
image: ## Build the image as an archive in dist/, without a container engine
	mkdir -p dist
	$(LOCAL) image --version '$(VERSION)' --out dist/termintreu.tar

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate deep copies, CRDs, apply configurations and the API reference
	$(CONTROLLER_GEN) object:headerFile=hack/boilerplate.go.txt crd applyconfiguration:headerFile=hack/boilerplate.go.txt \
		paths=./api/... output:crd:artifacts:config=config/crd/bases
	go run ./hack/apidocs > docs/reference/api.md

.PHONY: verify
verify: generate ## Fail when generated files or modules are not what they should be
	go mod tidy -diff
	git diff --exit-code -- api config/crd docs/reference
	@test -z "$$(git status --porcelain -- api config/crd docs/reference)" || { git status --short -- api config/crd docs/reference; exit 1; }

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint
	GOLANGCI_LINT_CACHE=$(GOLANGCI_LINT_CACHE) $(GOLANGCI_LINT) run ./...

$(CONTROLLER_GEN):
	GOBIN=$(@D) go install sigs.k8s.io/controller-tools/cmd/controller-gen@$(CONTROLLER_GEN_VERSION)

$(GOLANGCI_LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
