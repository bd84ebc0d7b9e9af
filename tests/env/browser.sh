# Chromium for the tests of the tracer's page, and npm, which builds that page.
# shellcheck shell=bash
BROWSER_PACKAGES=(chromium chromium-driver fonts-dejavu-core)

install_browser() {
  apt_install "${BROWSER_PACKAGES[@]}"
  # Any npm will do: tracer/ui/run gets the Node.js it needs by itself.
  command -v npm >/dev/null || apt_install nodejs npm
}
