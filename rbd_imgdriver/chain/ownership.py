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
"""Whether an image that is out of sight is ours to remove for good.

A volume that has clones is deleted by moving it out of sight; the last clone
frees it.  But an operator moves volumes to the trash as well, to have them
restored, and names images as they like.
"""

from collections.abc import Callable
from collections.abc import Mapping

from oslo_log import log as logging

from rbd_imgdriver.chain import names
from rbd_imgdriver import errors
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)

# What Cinder's database says of a volume that it has deleted.
DELETED = 'deleted'
_DELETING = 'deleting'


def may_go(name: str, id_: str, in_trash: bool, metadata: Mapping[str, str],
           rules: names.Names) -> bool:
    """Whether we may remove an image when nothing needs it.

    :param id_: Ceph's id of the image
    :param metadata: of the image
    """
    if rules.is_golden(name):
        return in_trash and model.is_marked(model.ENTRY_MARK, id_, metadata)
    volume_id = rules.volume_id(name)
    if volume_id is None or not (in_trash or rules.is_deleted(name)):
        return False
    if model.is_marked(model.MOVED_MARK, id_, metadata):
        return True  # the volume that Cinder knows is in another pool
    marked = model.is_marked(model.DELETED_MARK, id_, metadata)
    return decide(marked, status(volume_id, rules.status_of))


def decide(marked: bool, found: str | None) -> bool:
    """Whether a volume that is out of sight may be removed for good.

    What carries our mark was deleted by this driver, unless Cinder knows it
    nevertheless: then somebody has brought it back.  Without a mark - earlier
    versions of this driver, and Cinder's own, set none - only Cinder's record
    of the deletion proves that it was asked for.

    :param marked: whether this driver has put it out of sight
    :param found: Cinder's status, None when it has no record or cannot be
        asked
    """
    if found is None or found == _DELETING:
        return marked
    return found == DELETED


def is_known(found: str | None) -> bool:
    """Whether there is a volume, as far as Cinder is concerned."""
    return found not in (None, DELETED)


def status(volume_id: str,
           status_of: Callable[[str], str | None] | None) -> str | None:
    """Cinder's status of a volume, None when it has none or is silent."""
    if status_of is None:
        return None
    try:
        return status_of(volume_id)
    except errors.ServiceError as error:
        LOG.debug('Volume %(id)s is judged by its mark alone: %(error)s',
                  {'id': volume_id, 'error': error})
        return None
