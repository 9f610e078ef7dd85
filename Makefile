# make run    build and start the demo node
# make test   install what the tests need and run everything
# The rest: build, lint, fuzz, bench, test-long, help.

VERSION ?= 0.1.0-dev
TAGS     = nomsgpack
LDFLAGS  = -s -w -X github.com/fluxosd/fluxosd/internal/version.Version=$(VERSION)
FUZZTIME ?= 30s

.PHONY: run build test test-long lint fuzz bench bench-host deps help

run: build ## build and start the demo node
	./bin/fluxosd serve --demo

build: ## build the static binary bin/fluxosd
	CGO_ENABLED=0 go build -tags $(TAGS) -trimpath -ldflags "$(LDFLAGS)" -o bin/fluxosd ./cmd/fluxosd

test: deps lint ## install what the tests need and run everything
	go test -race -tags $(TAGS) -timeout 15m ./...

test-long: export FLUXOSD_TEST_LONG = 1
test-long: test ## the same with every round of the random tests, and the fuzz targets for 30 s each
	$(MAKE) fuzz

lint: ## formatting, vet, staticcheck
	@bad=$$(gofmt -l cmd internal systemd test); if [ -n "$$bad" ]; then echo "not gofmt-ed:"; echo "$$bad"; exit 1; fi
	go vet -tags $(TAGS) ./...
	go tool -modfile=tools/go.mod staticcheck -tags $(TAGS) ./...

fuzz: ## every fuzz target for FUZZTIME (30s)
	./test/fuzz.sh $(FUZZTIME)

bench: build ## measure the daemon against its targets
	go run -tags $(TAGS) ./test/bench -binary bin/fluxosd

bench-host: ## compare the own benchmark with sysbench and fio on this machine
	./test/deps.sh sysbench fio
	go run -tags $(TAGS) ./test/benchhost

deps: ## install what the tests need beside Go (Debian packages, as root or with sudo)
	./test/deps.sh

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14
