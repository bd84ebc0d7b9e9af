# Log lines as k3s writes them, and the faults that a test orders.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

say() { printf 'time="%s" level=%s msg="%s"\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$(printf %s "$2" | sed 's/["\\]/\\&/g')" >&2; }
info() { say info "$1"; }
warn() { say warning "$1"; }
error() { say error "$1"; }

fatal() {
  say fatal "$1"
  stop 1
}

# fail_because_of PROCESS WHAT: the end of that component's log, then the fatal line.
fail_because_of() {
  local name
  name=$(cat "/run/k3s/$1" 2>/dev/null)
  [ ! -s "/var/log/k3s/$name.log" ] || tail -n 8 "/var/log/k3s/$name.log" | cut -c -400 >&2
  fatal "${name:-component} $2"
}

# K3S_TEST_CRASH: before-ready, after:SECONDS, or once:... for the first start only.
crash_on_demand() {
  local wanted=${K3S_TEST_CRASH:-}
  case $wanted in
    once:*)
      wanted=${wanted#once:}
      if [ -e "$DATA/crashed" ]; then wanted=""; fi
      ;;
  esac
  case $1=$wanted in
    before-ready=before-ready) ;;
    after=after:*) sleep "${wanted#after:}" ;;
    after=*) exec sleep 2147483647 ;;
    *) return 0 ;;
  esac
  mkdir -p "$DATA"
  : >"$DATA/crashed"
  say fatal "crashing as the test ordered: $K3S_TEST_CRASH"
  exit 1
}

# K3S_TEST_DELAY: seconds before anything gets ready.
delay_on_demand() {
  [ -n "${K3S_TEST_DELAY:-}" ] || return 0
  info "Waiting $K3S_TEST_DELAY s as the test ordered"
  sleep "$K3S_TEST_DELAY" &
  wait $!
}

# Repeats a command until it succeeds: `until_true SECONDS WHAT COMMAND...`.
until_true() {
  local process tries=$(($1 * 10)) what=$2
  shift 2
  until "$@"; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fatal "$what did not come up in time"
    for process in $WATCHED; do
      kill -0 "$process" 2>/dev/null || fail_because_of "$process" "ended while waiting for $what"
    done
    sleep 0.1 &
    wait $!
  done
}
