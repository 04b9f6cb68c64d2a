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
"""The format of new clones: with format 1 only of protected snapshots.

librbd refuses to clone another one (EINVAL), and uses freed memory then:
sooner or later the process aborts, or an operation never ends.  Seen with
nothing but librbd, 16.2.15 (after 60 to 2,000 such refusals) and 20.2.4; other
refusals (no such image or snapshot, a name that is taken) do no harm.  So a
snapshot is looked at before it is cloned in that format.  What unprotects it
between the look and the clone is not seen: some milliseconds.
"""

import errno
import json
from typing import Any

from rbd_imgdriver.ceph import errors

_OPTION = 'rbd_default_clone_format'
# The first release whose clients can read clones of format 2.
_MIMIC = 'mimic'


def configured(client: Any) -> int | None:
    """1 or 2; None when the cluster decides ("auto").

    It may change while the client is connected.

    :param client: a connected ``rados.Rados``
    """
    option = client.conf_get(_OPTION)
    return int(option) if option in ('1', '2') else None


def automatic(client: Any) -> int:
    """What "auto" means now: 1 or 2.

    :raises errors.CephError: when the monitors do not answer
    """
    code, reply, _ = client.mon_command(
        json.dumps({'prefix': 'osd dump', 'format': 'json'}), b'')
    if code in (-errno.EACCES, -errno.EPERM):
        return 2  # as without this module: librbd decides
    if code:
        raise errors.of_code('OSD map', code)
    return of_osd_map(json.loads(reply))


def of_osd_map(found: dict[str, Any]) -> int:
    """As in ``CloneRequest::validate_options`` of librbd.

    :param found: of ``ceph osd dump``: the release that clients have to be
        of, and that which the map's features need
    """
    releases = [found.get(f'{which}min_compat_client', 'unknown')
                for which in ('require_', '')]
    # Releases are in alphabetical order.
    return 2 if any(_MIMIC <= one != 'unknown' for one in releases) else 1
