# Two authorities, as in k3s: one for the server's certificate, one for its clients; and the key of service accounts.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

make_authorities() {
  local authority
  mkdir -p "$TLS"
  [ ! -s "$TLS/service.key" ] || return 0
  for authority in server client; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=k3s-$authority-ca@$(date +%s)" \
      -keyout "$TLS/$authority-ca.key" -out "$TLS/$authority-ca.crt" 2>/dev/null || fatal "openssl made no $authority CA"
  done
  # The API server reads the traditional form only.
  openssl ecparam -name prime256v1 -genkey -noout -out "$TLS/service.key" || fatal "openssl made no key for service accounts"
}

# sign AUTHORITY NAME SUBJECT USAGE [SUBJECT_ALTERNATIVE_NAMES]
sign() {
  [ -s "$TLS/$2.key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$TLS/$2.key" 2>/dev/null
  openssl req -x509 -new -key "$TLS/$2.key" -CA "$TLS/$1-ca.crt" -CAkey "$TLS/$1-ca.key" -days 365 -subj "$3" -out "$TLS/$2.crt" \
    -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature -addext "extendedKeyUsage=$4" \
    ${5:+-addext "subjectAltName=$5"} 2>/dev/null || fatal "openssl made no certificate for $2"
}

# Addresses change between starts, so the serving certificate is made anew each time.
make_certificates() {
  local name names
  names="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost"
  names="$names,DNS:$NODE_NAME,DNS:$(hostname),IP:127.0.0.1,IP:10.43.0.1,IP:$NODE_IP"
  for name in $TLS_SANS; do
    case $name in
      *[!0-9.]*) case $name in *:*) names="$names,IP:$name" ;; *) names="$names,DNS:$name" ;; esac ;;
      *) names="$names,IP:$name" ;;
    esac
  done
  sign server serving /O=k3s/CN=k3s serverAuth "$names"
  sign client client-admin /O=system:masters/CN=system:admin clientAuth
}

write_kubeconfig() {
  local folder
  folder=$(dirname "$KUBECONFIG_OUTPUT")
  mkdir -p "$folder" /etc/rancher/k3s
  (
    umask 077
    cat >"$KUBECONFIG_OUTPUT.new" <<CONFIG
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $(base64 "$TLS/server-ca.crt" | tr -d '\n')
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: $(base64 "$TLS/client-admin.crt" | tr -d '\n')
    client-key-data: $(base64 "$TLS/client-admin.key" | tr -d '\n')
CONFIG
  )
  mv "$KUBECONFIG_OUTPUT.new" "$KUBECONFIG_OUTPUT"
  [ "$KUBECONFIG_OUTPUT" = /etc/rancher/k3s/k3s.yaml ] || ln -sf "$KUBECONFIG_OUTPUT" /etc/rancher/k3s/k3s.yaml
  info "Wrote kubeconfig $KUBECONFIG_OUTPUT"
}
