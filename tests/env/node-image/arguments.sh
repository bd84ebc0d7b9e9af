# The flags that matter here; every other one is accepted and has no effect.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

parse_arguments() {
  local flag
  ROLE=$1 ARGUMENTS=$*
  shift
  NODE_NAME=$(hostname) TLS_SANS="" NODE_LABELS="" NODE_TAINTS="" DISABLED="" CLUSTER_INIT=""
  TOKEN=${K3S_TOKEN:-} URL=${K3S_URL:-} KUBECONFIG_OUTPUT=${K3S_KUBECONFIG_OUTPUT:-/etc/rancher/k3s/k3s.yaml}
  REGISTRIES_FILE=/etc/rancher/k3s/registries.yaml
  while [ $# -gt 0 ]; do
    flag=$1
    shift
    case $flag in
      --cluster-init | --cluster-init=true) CLUSTER_INIT=yes ;;
      --tls-san=* | --node-label=* | --node-taint=* | --disable=* | --token=* | --server=* | --node-name=* | --write-kubeconfig=* | --private-registry=*)
        take "${flag%%=*}" "${flag#*=}"
        ;;
      --tls-san | --node-label | --node-taint | --disable | --token | -t | --server | -s | --node-name | --write-kubeconfig | -o | --private-registry)
        [ $# -gt 0 ] || fatal "flag needs an argument: $flag"
        take "$flag" "$1"
        shift
        ;;
    esac
  done
  # A token may carry the hash of the CA before the password.
  case $TOKEN in K10*::*:*) TOKEN=${TOKEN##*:} ;; esac
  NODE_IP=$(ip -4 -o addr show dev eth0 2>/dev/null | awk 'NR == 1 { sub("/.*", "", $4); print $4 }')
  [ -n "$NODE_IP" ] || NODE_IP=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p')
  [ -n "$NODE_IP" ] || NODE_IP=127.0.0.1
}

take() {
  case $1 in
    --tls-san) TLS_SANS="$TLS_SANS $(printf %s "$2" | tr , ' ')" ;;
    --node-label) NODE_LABELS="$NODE_LABELS$2
" ;;
    --node-taint) NODE_TAINTS="$NODE_TAINTS$2
" ;;
    --disable) DISABLED="$DISABLED $(printf %s "$2" | tr , ' ')" ;;
    --token | -t) TOKEN=$2 ;;
    --server | -s) URL=$2 ;;
    --node-name) NODE_NAME=$2 ;;
    --write-kubeconfig | -o) KUBECONFIG_OUTPUT=$2 ;;
    --private-registry) REGISTRIES_FILE=$2 ;;
  esac
}

is_disabled() { case " $DISABLED " in *" $1 "*) return 0 ;; esac; return 1; }
