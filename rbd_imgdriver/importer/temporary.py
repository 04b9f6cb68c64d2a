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
"""The images that an import makes for itself: their names and their mark."""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import secrets

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)

# What the name of an image begins with until it is whole.
PREFIX = model.PARTIAL_PREFIX

# What the name of a clone ends in through which an import reads its source.
SOURCE = '.source'

# A name proves nothing.  An image is one that an import has made, and that a
# sweep may remove, if it carries its own id under this key: it is written
# right after the image is made, and a clone that inherits it has another id.
MARK = model.PARTIAL_MARK


def new_name(name: str) -> str:
    """A name for an image until it is whole, another one for each attempt.

    What a killed import has left is never in the way of the next.
    """
    return f'{PREFIX}{name}-{secrets.token_hex(4)}'


def final_name(partial_name: str) -> str:
    """The name that a partial image was to get."""
    return partial_name.removeprefix(PREFIX).rpartition('-')[0]


def is_marked(id_: str, metadata: Mapping[str, str]) -> bool:
    """Whether an import has made an image that is not whole.

    :param id_: Ceph's id of the image
    """
    return model.is_marked(MARK, id_, metadata)


@contextlib.contextmanager
def held(pool: parts.Pool, name: str) -> Iterator[None]:
    """Keep an image open, so that everybody sees that it is in use.

    Ceph refuses to remove an image that a client watches, and forgets the
    watch of a client that died within half a minute, whatever the import
    waits for meanwhile.
    """
    hold = pool.images.hold(name)
    try:
        yield
    finally:
        blocking.run(hold.close)


def publish(pool: parts.Pool, partial_name: str, name: str) -> None:
    """Give an image that is whole its name.

    :raises ceph_errors.ImageExists: when the name is taken
    """
    pool.images.rename(partial_name, name)
    try:
        pool.headers.update(name, {}, remove=[MARK])
    except ceph_errors.CephError as error:
        # Under its own name nobody takes the image for a partial one.
        LOG.info('%(name)s keeps the mark of an import: %(error)s',
                 {'name': name, 'error': error})


def discard(pool: parts.Pool, name: str) -> None:
    """Remove an image that is no longer needed, now or by the sweep."""
    try:
        pool.images.remove(name)
    except ceph_errors.CephError as error:
        LOG.warning('%(name)s is left to the sweep: %(error)s',
                    {'name': name, 'error': error})
