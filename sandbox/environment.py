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

"""What a person's shell needs to work with the sandbox."""

from __future__ import annotations

from sandbox import catalog
from sandbox import context
from sandbox import storage


def exports(sandbox: context.Context) -> dict[str, str]:
    """Variables for the openstack and ceph commands, and where things are."""
    here = sandbox.layout
    return {
        'OS_AUTH_URL': sandbox.url('keystone', '/v3'),
        'OS_USERNAME': 'admin',
        'OS_PASSWORD': here.password,
        'OS_PROJECT_NAME': 'admin',
        'OS_USER_DOMAIN_ID': 'default',
        'OS_PROJECT_DOMAIN_ID': 'default',
        'OS_REGION_NAME': catalog.REGION,
        'OS_IDENTITY_API_VERSION': '3',
        'OS_VOLUME_API_VERSION': '3.70',
        'CEPH_CONF': storage.cluster(sandbox).conf(),
        'CINDER_CONF': str(here.etc / 'cinder' / 'cinder.conf'),
        'GLANCE_CONF': str(here.etc / 'glance' / 'glance-api.conf'),
        'SANDBOX_DIR': str(here.root),
        'SANDBOX_VENV': str(here.venv),
        'SANDBOX_LOGS': str(here.logs),
    }
