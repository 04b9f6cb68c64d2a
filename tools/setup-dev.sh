#!/usr/bin/env bash
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

# Makes the development environment: the distribution's packages of
# bindep.txt and a virtual environment in .venv with the pinned versions of
# tools/constraints.txt, the Ceph bindings and this project (editable).
# What is already there is kept; when nothing changed this takes no time.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$top/.venv
# Debian's own: the Ceph bindings are built for it, whatever is first in PATH.
python=/usr/bin/python3

say() { printf '[setup] %4ds  %s\n' "$SECONDS" "$*"; }
die() { printf '[setup] %s\n' "$*" >&2; exit 1; }

# The names in bindep.txt that Debian has to bring.
packages() {
    sed -n 's/^\([a-z0-9][a-z0-9+.-]*\) \[platform:dpkg.*/\1/p' \
        "$top/bindep.txt"
}

missing_packages() {
    local package
    for package in $(packages); do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
            grep -qx installed || echo "$package"
    done
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@"
}

update_and_install() {
    apt update && apt install -y --no-install-recommends "$@"
}

install_packages() {
    local missing log
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] ||
        die "not root; install these packages first: ${missing[*]}"
    say "apt: installing ${missing[*]}"
    log=$(mktemp)
    # One apt at a time, also when several checkouts start together: unlike
    # the package database, the lists have no lock that can be waited for.
    exec 8>/var/lock/rbd-imgdriver-apt
    flock 8
    if ! update_and_install "${missing[@]}" >"$log" 2>&1 8>&-; then
        tail -n 30 "$log" >&2
        die "apt failed; the whole output is in $log"
    fi
    exec 8>&-
    rm -f "$log"
}

# Runs a command with its output kept for the case that it fails.
quietly() {
    local log=$venv/setup.log
    "$@" >"$log" 2>&1 && return
    tail -n 30 "$log" >&2
    die "failed: $* (the whole output is in $log)"
}

# What an environment is made from; a change brings it up to date.
recipe() {
    "$python" --version
    cat "$top/test-requirements.txt" "$top/requirements.txt" \
        "$top/tools/constraints.txt"
}

# What the installed metadata, the entry points above all, come from.
metadata() {
    cat "$top/pyproject.toml" "$top/setup.cfg" "$top/requirements.txt"
}

install_libraries() {
    local stamp
    stamp=$(recipe | sha256sum)
    [ "$(cat "$venv/libraries.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "pip: the libraries of test-requirements.txt"
    # Libraries that are not wanted any more stay: for an environment of
    # exactly these, remove .venv.
    if [ "$("$venv/bin/python" --version 2>&1)" != \
        "$("$python" --version)" ]; then
        find "$venv" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
        quietly "$python" -m venv "$venv"
    fi
    quietly "$venv/bin/pip" install --disable-pip-version-check \
        -c "$top/tools/constraints.txt" \
        -r "$top/requirements.txt" -r "$top/test-requirements.txt"
    echo "$stamp" >"$venv/libraries.stamp"
}

install_project() {
    local stamp
    stamp=$(metadata | sha256sum)
    [ "$(cat "$venv/project.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "pip: this project, editable"
    # pbr takes the version from git; an unpacked archive has none.
    git -C "$top" rev-parse --verify -q HEAD >/dev/null 2>&1 ||
        export PBR_VERSION=${PBR_VERSION:-0.0.0}
    quietly "$venv/bin/pip" install --disable-pip-version-check --no-deps \
        --no-build-isolation -e "$top"
    echo "$stamp" >"$venv/project.stamp"
}

# The one program of the package that the tests need: installed as a package,
# it brings a server that starts.
install_promtool() {
    local place
    [ ! -x "$venv/bin/promtool" ] || return 0
    say "apt: promtool out of the package prometheus"
    place=$(mktemp -d "$venv/promtool.XXXXXX")
    (
        cd "$place"
        quietly apt download prometheus
        dpkg-deb --fsys-tarfile prometheus_*.deb |
            tar -x --strip-components=3 ./usr/bin/promtool
    )
    mv "$place/promtool" "$venv/bin/promtool"
    rm -rf "$place"
}

install_packages
[ -x "$python" ] || die "there is no $python"
mkdir -p "$venv"
exec 9>"$venv/lock"
flock 9
install_libraries
"$venv/bin/python" "$top/tools/link_ceph_bindings.py"
install_project
install_promtool
[ "$SECONDS" -lt 2 ] || say "the environment is ready: $venv"
