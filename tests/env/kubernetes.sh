# kube-apiserver, kube-controller-manager and kube-scheduler out of Debian's source package.
# shellcheck shell=bash
KUBERNETES_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler)

build_kubernetes() {
  local program built=yes
  for program in "${KUBERNETES_PROGRAMS[@]}"; do
    [ -x "$BERTH_CACHE/bin/$program" ] || built=
  done
  if [ -n "$built" ]; then
    say "kubernetes: $("$BERTH_CACHE/bin/kube-apiserver" --version), built before"
    return 0
  fi
  apt_install "${KUBERNETES_PACKAGES[@]}"
  enable_sources
  local work=$BERTH_CACHE/build
  rm -rf "$work" && mkdir -p "$work"
  say "kubernetes: fetching Debian's source package"
  (cd "$work" && apt-get source --download-only kubernetes >source.log 2>&1 && dpkg-source --no-check -x kubernetes_*.dsc src >>source.log 2>&1) ||
    { tail -n 5 "$work/source.log" >&2; say "kubernetes: no source package"; exit 1; }
  # The vendored reflect2 panics when it is built with Go 1.19.
  rm -rf "$work/src/vendor/github.com/modern-go/reflect2"
  cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 "$work/src/vendor/github.com/modern-go/"
  say "kubernetes: building, some minutes on two cores"
  (
    cd "$work/src"
    export PATH=/usr/lib/go-1.19/bin:$PATH CGO_ENABLED=0 GO111MODULE=off GOPROXY=off
    export HOME=$work/home GOPATH=$work/go GOCACHE=$work/gocache
    unset GOFLAGS
    make all WHAT="$(printf 'cmd/%s ' "${KUBERNETES_PROGRAMS[@]}")" GOLDFLAGS="-s -w" >"$work/build.log" 2>&1
  ) || { tail -n 20 "$work/build.log" >&2; say "kubernetes: the build failed"; exit 1; }
  for program in "${KUBERNETES_PROGRAMS[@]}"; do
    install -m 755 "$work/src/_output/local/go/bin/$program" "$BERTH_CACHE/bin/$program.new"
    mv "$BERTH_CACHE/bin/$program.new" "$BERTH_CACHE/bin/$program"
  done
  rm -rf "$work"
  say "kubernetes: $("$BERTH_CACHE/bin/kube-apiserver" --version)"
}
