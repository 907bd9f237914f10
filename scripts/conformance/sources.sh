#!/usr/bin/env bash
# Makes .cache/conformance/suites: the tests of runc and crun from Debian's source packages, of the very versions that are
# installed, with their helper programs and the images they want. Does only what is missing. Nothing of it is committed.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=$PWD/.cache/conformance
suites=$cache/suites

main() {
  local wanted
  wanted=$(source_of runc; source_of crun; cat "$0" rootfs/busybox.sh rootfs/debian.sh | sha256sum)
  [ "$(cat "$suites/made-of" 2>/dev/null)" != "$wanted" ] || return 0
  rm -rf "$suites"
  mkdir -p "$suites" "$cache/apt/lists/partial"
  fetch_sources
  prepare_runc
  prepare_crun
  printf '%s\n' "$wanted" >"$suites/made-of"
}

# As apt-get source wants it: the package and the version.
source_of() { dpkg-query --show --showformat '${source:Package}=${source:Version}\n' "$1"; }

# The machine's own apt sources, with deb-src in place of deb, in lists of our own: its configuration stays as it is.
fetch_sources() {
  echo 'conformance: fetching the sources of runc and crun' >&2
  apt-get indextargets --format '$(ORIGIN) deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    sed -n 's/^Debian //p' >"$cache/apt/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$cache/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$cache/apt/lists" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  (cd "$suites" && apt-get "${options[@]}" --only-source source "$(source_of runc)" "$(source_of crun)" >/dev/null)
  rm -f "$suites"/*.tar.* "$suites"/*.dsc
  mv "$suites"/runc-* "$suites/runc"
  mv "$suites"/crun-* "$suites/crun"
}

prepare_runc() {
  local runc=$suites/runc testdata=$suites/runc/tests/integration/testdata program
  # In GOPATH mode, with the libraries of Debian's packages: the source package has no vendor directory.
  mkdir -p "$cache/go/src/github.com/opencontainers"
  ln -sfn "$runc" "$cache/go/src/github.com/opencontainers/runc"
  for program in recvtty sd-helper seccompagent; do
    (cd "$cache/go/src/github.com/opencontainers/runc" &&
      GO111MODULE=off GOPATH=$cache/go:/usr/share/gocode GOCACHE=$cache/go/cache GOFLAGS= \
        go build -tags seccomp -o "contrib/cmd/$program/$program" "./contrib/cmd/$program")
  done
  rm -rf "$cache/go"

  # It starts recvtty in the background and does not wait: on a busy machine the runtime is there before the socket.
  sed -i '/"\$RECVTTY" --pid-file/a until [ -S "$CONSOLE_SOCKET" ] \&\& [ -s "$dir/pid" ]; do sleep 0.01; done' \
    "$runc/tests/integration/helpers.bash"
  grep -q '^until \[ -S' "$runc/tests/integration/helpers.bash"

  # The suite would download its images. Its busybox has no /proc and /sys: some tests put a symbolic link there.
  bash rootfs/build.sh busybox debian >/dev/null
  mkdir "$suites/rootfs"
  tar -x -f .cache/images/busybox.layer.tar -C "$suites/rootfs" --exclude ./proc --exclude ./sys
  tar -c -f "$testdata/busybox.tar" -C "$suites/rootfs" .
  rm -rf "$suites/rootfs"
  cp .cache/images/debian.layer.tar "$testdata/debian.tar"
  cat >"$runc/tests/integration/get-images.sh" <<SCRIPT
#!/bin/sh
echo "BUSYBOX_IMAGE=$testdata/busybox.tar"
echo "DEBIAN_IMAGE=$testdata/debian.tar"
SCRIPT
}

# The program that is the container's init in its tests; configure would define what the two words say.
prepare_crun() {
  local crun=$suites/crun
  mkdir "$suites/include"
  touch "$suites/include/config.h"
  gcc -O1 -static -DHAVE_ERROR_H -DHAVE_SECCOMP -I "$suites/include" -o "$crun/tests/init" "$crun/tests/init.c" -lseccomp
}

main
