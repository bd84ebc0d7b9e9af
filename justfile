# The recipes that people and the build server run.

set shell := ["bash", "-uc"]

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
export BERTH_CACHE := env("BERTH_CACHE", env("HOME") / ".cache/berth")
export BERTH_BINARIES := env("BERTH_BINARIES", target / "x86_64-unknown-linux-gnu/release")
static := "RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --target x86_64-unknown-linux-gnu"

# formatting, generated files, lints
check:
    cargo fmt --all --check
    cargo xtask generate --check
    cargo clippy --locked --workspace --all-targets -- -D warnings

# everything that needs no cluster
test:
    cargo test --locked --workspace --exclude e2e

# the schema and the rights, on a real API server
test-api: binaries
    cargo build --locked -p e2e --bins
    cargo test --locked -p e2e -- --test-threads=2 --skip cel_rules schema:: rights::

# the scenarios on clusters
test-e2e: binaries
    cargo build --locked -p e2e --bins
    cargo test --locked -p e2e -- --test-threads=2 --skip cel_rules

# licences, advisories, sources
deny:
    cargo deny check

# the chart, linted and rendered
chart:
    "$BERTH_CACHE/bin/helm" lint --strict charts/berth
    "$BERTH_CACHE/bin/helm" template berth charts/berth >/dev/null

# static binaries of all processes
binaries:
    {{static}} -p node-writer
    {{static}} -p berth-operator -p berth-cli -p berth-gateway

# the final images, from the static binaries; no base image is pulled
image: binaries
    rm -rf "{{target}}/image" && mkdir -p "{{target}}/image/dist"
    cp Dockerfile "{{target}}/image/"
    cp "$BERTH_BINARIES"/{berth-operator,node-writer,berth,berth-gateway} /etc/ssl/certs/ca-certificates.crt "{{target}}/image/dist/"
    docker build --build-arg BINARIES=prebuilt --target operator -t berth-operator "{{target}}/image"
    docker build --build-arg BINARIES=prebuilt --target node-writer -t berth-node-writer "{{target}}/image"
    docker build --build-arg BINARIES=prebuilt --target berth -t berth "{{target}}/image"
    docker build --build-arg BINARIES=prebuilt --target gateway -t berth-gateway "{{target}}/image"

# CRDs, chart schema and README, references, plain manifests
generate: && kustomize
    cargo xtask generate

# deploy/kustomize from the chart
kustomize:
    deploy/kustomize/generate

# the figures of docs/performance.md
bench: binaries
    cargo run --locked --release -p berth-benches

# all of it, in the order of the build server
ci:
    tests/run
