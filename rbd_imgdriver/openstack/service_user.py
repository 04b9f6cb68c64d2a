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
"""Cinder's service user in Keystone.

With the credentials of the ``[glance]`` section of cinder.conf, which Cinder
itself uses for Glance's locations API (cinder/image/glance.py,
``get_location``).
"""

import functools
import inspect
from typing import Any

from cinder.image import glance
from keystoneauth1 import exceptions as keystone_exc
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_log import log as logging

LOG = logging.getLogger(__name__)
CONF = cfg.CONF
_GROUP = 'glance'

# Since Cinder 27 (2025.2); before, Glance is asked with the token of the
# request, and nothing else reads that section.
KNOWN_TO_CINDER = 'privileged_user' in inspect.signature(
    glance.GlanceClientWrapper).parameters
if not KNOWN_TO_CINDER:
    loading.register_auth_conf_options(CONF, _GROUP)
    loading.register_session_conf_options(CONF, _GROUP)


def auth() -> Any:
    """The credentials, or None where the section has none."""
    return loading.load_auth_from_conf_options(CONF, _GROUP)


def session(credentials: Any) -> Any:
    """A session with Keystone."""
    return loading.load_session_from_conf_options(CONF, _GROUP,
                                                  auth=credentials)


def projects() -> frozenset[str]:
    """The projects in which services, and no tenants, own volumes.

    Cinder's internal tenant, and the project of the service user, in which
    Glance's Cinder store keeps its volumes, too
    (``cinder_store_project_name``).  One that Keystone does not report is left
    out: nothing is believed on a doubt.
    """
    found = {CONF.cinder_internal_tenant_project_id}
    try:
        found.add(_project())
    except keystone_exc.ClientException as error:
        LOG.warning('Keystone does not report the project of the [glance] '
                    'section of cinder.conf, so no volume of that project '
                    'is cloned: %s', error)
    return frozenset(one for one in found if one)


@functools.cache
def _project() -> str | None:
    """The service user's project; asked once, unless that fails."""
    credentials = auth()
    if credentials is None:
        return None
    return credentials.get_project_id(session(credentials)) or None
