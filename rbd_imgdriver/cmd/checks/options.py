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
"""Options that are ignored, contradict each other, or may surprise.

Pure: from option values to findings.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import difflib
from typing import Any
import urllib.parse
import uuid

from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver import model
from rbd_imgdriver import opts

Finding = findings.Finding

# The section that all backends inherit.
DEFAULTS = 'backend_defaults'

# Options by these beginnings are this driver's, its parent's or the cache's.
_OURS = ('rbd_', 'image_volume_cache_', 'rados_')

# How alike a name must be to one of those, from 0 to 1.
_ALIKE = 0.85

# Coordination that works within one host only: tooz's file and IPC drivers.
LOCAL = ('file', 'ipc', 'zake')


def check(backend: str, value: Mapping[str, Any]) -> Iterator[Finding]:
    """What is odd about a backend's options.

    :param value: of each option by its name
    """
    strategies = value['rbd_imgdriver_strategies']
    cache = value['image_volume_cache_enabled']
    wanted = ', '.join(strategies)
    if not strategies or strategies[-1] != opts.IMPORT:
        yield Finding('no-import', backend,
                      f'rbd_imgdriver_strategies = {wanted}')
    if not cache:
        yield Finding('cache-off', backend,
                      'image_volume_cache_enabled = false')
    elif opts.CACHED_CLONE not in strategies:
        yield Finding('cached-clone-missing', backend,
                      f'rbd_imgdriver_strategies = {wanted}')
    if cache and not (value['image_volume_cache_max_size_gb']
                      or value['image_volume_cache_max_count']):
        yield Finding('cache-unlimited', backend, 'both limits are 0')
    if (opts.CINDER_CLONE in strategies
            and 'cinder' not in value['allowed_direct_url_schemes']):
        yield Finding('cinder-scheme-missing', backend,
                      'cinder is not in allowed_direct_url_schemes')
    if (value['image_upload_use_cinder_backend']
            and not value['image_upload_use_internal_tenant']):
        yield Finding('image-volumes-of-tenants', backend,
                      'image_upload_use_internal_tenant = false')
    yield from _rbd(backend, value)


def _rbd(backend: str, value: Mapping[str, Any]) -> Iterator[Finding]:
    depth = value['rbd_max_clone_depth']
    if depth <= 0:
        yield Finding('always-copies', backend,
                      f'rbd_max_clone_depth = {depth}')
    if value['rbd_flatten_volume_from_snapshot']:
        yield Finding('flatten-from-snapshot', backend,
                      'rbd_flatten_volume_from_snapshot = true')
    if value['rados_connect_timeout'] < 0:
        yield Finding('no-timeout', backend, 'rados_connect_timeout = '
                      f'{value["rados_connect_timeout"]}')
    secret = value['rbd_secret_uuid']
    if secret and not _is_uuid(secret):
        yield Finding('secret-malformed', backend,
                      f'rbd_secret_uuid = {secret}')
    if not secret:
        yield Finding('no-secret', backend, 'rbd_secret_uuid is not set')


def encrypted(backend: str, refused: model.Declined | None,
              asked_first: bool) -> Iterator[Finding]:
    """How an encrypted volume is made from an image.

    :param refused: why it cannot be a clone, see
        :func:`rbd_imgdriver.strategies.encrypted_clone.objection`
    :param asked_first: whether the volume manager is ours
    """
    if refused is not None:
        yield Finding('encrypted-imports', backend, refused.reason)
    elif not asked_first:
        yield Finding('encrypted-downloads', backend,
                      "volume_manager is not this driver's")
    else:
        yield Finding('encrypted-clones', backend,
                      "volume_manager is this driver's")


def unknown(backend: str, written: set[str],
            known: set[str]) -> Iterator[Finding]:
    """Options that are written in a backend's section and that nobody reads.

    :param written: names in the section
    :param known: names that the driver and Cinder know
    """
    ours = [name for name in known if name.startswith(_OURS)]
    for name in sorted(written - known):
        if name.startswith(_OURS) or difflib.get_close_matches(
                name, ours, cutoff=_ALIKE):
            yield Finding('unknown-option', backend, name)


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def coordination(cluster: str | None, backend_url: str) -> Iterator[Finding]:
    """Whether the hosts of an active/active cluster can lock each other out.

    :param cluster: the option of that name, None when it is not set
    """
    scheme = urllib.parse.urlparse(backend_url).scheme
    if cluster and scheme in LOCAL:
        yield Finding('coordination-local', cluster,
                      f'backend_url = {scheme}://...')
