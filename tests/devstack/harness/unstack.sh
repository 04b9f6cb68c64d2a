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
# unstack.sh <localrc>: the plugins first, then the services; errors are not
# trapped.

# shellcheck disable=SC1091
source "$(dirname "${BASH_SOURCE[0]}")/common"
set -o xtrace

run_phase unstack
if is_service_enabled nova; then
    stop_nova
fi
if is_service_enabled glance; then
    stop_glance
fi
if is_service_enabled cinder; then
    stop_cinder || /bin/true
    cleanup_cinder || /bin/true
fi
