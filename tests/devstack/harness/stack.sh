#!/bin/bash
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
#
# stack.sh <localrc>: the phases and hooks in the order of DevStack's.

# Summaries go to the original output by way of a process, as DevStack's do:
# who reads our output waits for everybody who has these files open.
exec 3>&1
exec 6> >(cat >&3)

set -o errexit
# shellcheck disable=SC1091
source "$(dirname "${BASH_SOURCE[0]}")/common"
set -o xtrace
mkdir -p "$DATA_DIR"

run_phase stack pre-install
if is_service_enabled g-api; then
    configure_glance
fi
if is_service_enabled cinder; then
    configure_cinder
fi
if is_service_enabled nova; then
    configure_nova
fi
run_phase stack install
if is_service_enabled cinder; then
    async_runfunc init_cinder
fi
async_wait init_cinder
if is_service_enabled nova; then
    async_runfunc configure_neutron_nova
fi
run_phase stack post-config
async_wait configure_neutron_nova
start_services
run_phase stack extra
if is_service_enabled tempest; then
    configure_tempest
fi
run_phase stack test-config
