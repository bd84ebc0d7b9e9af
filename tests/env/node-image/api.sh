# Requests to the API server: servers talk to their own with the administrator's certificate, agents to K3S_URL with the token.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

# api METHOD PATH [BODY [CONTENT_TYPE]] prints the answer; fails on 4xx and 5xx. STATUS holds the code.
api() {
  local answer method=$1 path=$2 body=${3:-} type=${4:-application/json}
  set -- --silent --max-time 10 --request "$method" --write-out '\n%{http_code}'
  if [ "$ROLE" = server ]; then
    set -- "$@" --cacert "$TLS/server-ca.crt" --cert "$TLS/client-admin.crt" --key "$TLS/client-admin.key" "https://127.0.0.1:6443$path"
  else
    set -- "$@" --cacert "$DATA/agent/server-ca.crt" --header "Authorization: Bearer $TOKEN" "$REACHED$path"
  fi
  if [ -n "$body" ]; then
    answer=$(printf %s "$body" | curl "$@" --header "Content-Type: $type" --data-binary @-)
  else
    answer=$(curl "$@")
  fi
  STATUS=${answer##*
}
  printf '%s' "${answer%
*}"
  case $STATUS in 2*) return 0 ;; esac
  return 1
}

# Creates an object unless it is there.
create_unless_there() { api POST "$1" "$2" >/dev/null || [ "$(status_of "$1/$3")" = 200 ]; }

# A function that runs in a substitution cannot hand back STATUS.
status_of() { api GET "$1" >/dev/null; echo "$STATUS"; }

# join_request PATH: asks the server that K3S_URL names, whose CA is not known yet, with the token.
join_request() {
  curl --silent --insecure --max-time 10 --header "Authorization: Bearer $TOKEN" --write-out '\n%{http_code}' "$URL$1"
}

# The whole of joining: wait for the server, then let it check the token. Sets JOINED to what PATH holds.
join() {
  local answer code tries=0
  while :; do
    answer=$(join_request "$1")
    code=${answer##*
}
    JOINED=${answer%
*}
    case $code in
      200) return 0 ;;
      401) fatal "starting kubernetes: preparing server: failed to validate token: $URL/cacerts: 401 Unauthorized" ;;
      404) [ "$tries" -lt 300 ] || fatal "starting kubernetes: preparing server: failed to bootstrap cluster data: $URL keeps no data for joining servers" ;;
    esac
    [ $((tries % 40)) != 0 ] || error "failed to get CA certs: Get \"$URL/cacerts\": not reachable or not ready (code $code)"
    tries=$((tries + 1))
    sleep 0.1 &
    wait $!
  done
}
