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

# Renews tools/constraints.txt: the newest versions that go together.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
/usr/bin/python3 -m venv "$venv"
"$venv/bin/pip" install --disable-pip-version-check \
    -r "$top/requirements.txt" -r "$top/test-requirements.txt"
"$venv/bin/pip" install --disable-pip-version-check --upgrade setuptools
"$venv/bin/pip" freeze --all --exclude pip >"$top/tools/constraints.txt"
git -C "$top" --no-pager diff --stat -- tools/constraints.txt
