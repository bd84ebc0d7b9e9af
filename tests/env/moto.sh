# moto, which plays AWS's services: the tests of Amazon ECR start one each, with `BERTH_MOTO -p PORT`.
# shellcheck shell=bash disable=SC2154 # variables of the other parts
# flask and flask-cors are what its server needs of the many things that `moto[server]` brings.
MOTO_PACKAGES=(moto==5.2.5 flask flask-cors)

install_moto() {
  local home=$BERTH_CACHE/moto
  [ ! -x "$home/bin/moto_server" ] || return 0
  # Debian keeps this part of Python in a package of its own.
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  say "moto: installing"
  rm -rf "$home"
  if ! { python3 -m venv "$home" && "$home/bin/python" -m pip install --quiet "${MOTO_PACKAGES[@]}"; }; then
    rm -rf "$home"
    say "moto: it is not to be had; leave it out with BERTH_SKIP=moto"
    exit 1
  fi
}
