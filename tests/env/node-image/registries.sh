# registries.yaml as containerd reads it: a folder per registry in certs.d, credentials in config.toml.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

# configure_containerd FOLDER
configure_containerd() {
  local registries
  registries=$(registries_as_json) || fatal "failed to parse $REGISTRIES_FILE"
  rm -rf "$1/certs.d"
  mkdir -p "$1/certs.d"
  (
    umask 077
    cat >"$1/config.toml" <<CONFIG
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  BinaryName = "$PARTS/runc-capped"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "$1/certs.d"
CONFIG
    printf %s "$registries" | jq -r '(.configs // {}) | to_entries[] | select(.value.auth)
      | "[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.\(.key | tojson).auth]",
        (.value.auth | {username, password, auth, identitytoken: (.identity_token // .identitytoken)} | to_entries[]
          | select(.value != null and .value != "") | "  \(.key) = \(.value | tojson)")' >>"$1/config.toml"
  )
  printf %s "$registries" | jq -r '(.mirrors // {}) | keys[]' | while IFS= read -r registry; do
    mkdir -p "$1/certs.d/$(folder_of "$registry")"
    printf %s "$registries" | hosts_of "$registry" >"$1/certs.d/$(folder_of "$registry")/hosts.toml"
  done
}

# kubectl is the YAML parser at hand: the document becomes a part of an object that it prints as JSON.
registries_as_json() {
  [ -s "$REGISTRIES_FILE" ] || { echo '{}'; return 0; }
  {
    printf 'apiVersion: test/v1\nkind: Registries\nmetadata: {name: registries}\n'
    grep -v '^---' "$REGISTRIES_FILE"
  } | "$PARTS/kubectl" label --local -f - -o json read=yes
}

folder_of() {
  case $1 in
    '*') echo _default ;;
    *:*) echo "${1%:*}_${1##*:}_" ;;
    *) echo "$1" ;;
  esac
}

hosts_of() {
  jq -r --arg registry "$1" '
    def host: sub("^[a-z]+://"; "") | sub("/.*"; "");
    (if $registry == "docker.io" then "registry-1.docker.io" else $registry end) as $server
    | (if $registry == "*" then empty else "server = \("https://\($server)/v2" | tojson)" end),
      (. as $all | .mirrors[$registry].endpoint // [] | .[]
        | (if test("://") then . else "https://\(.)" end | sub("/+$"; "")) as $url
        | "[host.\("\($url)\(if $url | test("^[a-z]+://[^/]+$") then "/v2" else "" end)" | tojson)]",
          "  capabilities = [\"pull\", \"resolve\"]",
          (($all.configs // {})[$url | host].tls // {}
            | (if .insecure_skip_verify then "  skip_verify = true" else empty end),
              (if .ca_file then "  ca = [\(.ca_file | tojson)]" else empty end),
              (if .cert_file then "  client = [[\(.cert_file | tojson), \(.key_file | tojson)]]" else empty end)))'
}
