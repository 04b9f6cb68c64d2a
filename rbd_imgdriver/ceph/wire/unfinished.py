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
"""Which images of a pool want work that may have been left undone.

What is to be done is noted on the image itself, and only that counts.  Here
is where to look for such notes, so that nobody has to read every header of a
large pool: one key for each image, in the omap of one RADOS object, which is
never removed.  An entry too many costs a look, one that is missing a delay
until somebody looks at all images.
"""

from collections.abc import Collection

import rados

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import native

_OBJECT = 'rbd-imgdriver.unfinished'
_PAGE = 1000


class Unfinished(native.Part):
    """The images of a pool that want work."""

    @native.in_native_thread
    def add(self, ids: Collection[str]) -> None:
        """Enter images, by their internal ids; some may be there already."""
        if not ids:
            return
        with errors.translated('entry of unfinished images'), \
                rados.WriteOpCtx() as op:
            self._ioctx.set_omap(op, tuple(ids), (b'',) * len(ids))
            self._ioctx.operate_write_op(op, _OBJECT)

    @native.in_native_thread
    def remove(self, ids: Collection[str]) -> None:
        """Strike images out; some may not be there."""
        if not ids:
            return
        try:
            with errors.translated('removal of unfinished images',
                                   errors.ObjectNotFound), \
                    rados.WriteOpCtx() as op:
                self._ioctx.remove_omap_keys(op, tuple(ids))
                self._ioctx.operate_write_op(op, _OBJECT)
        except errors.ObjectNotFound:
            return  # no image was ever entered in this pool

    @native.in_native_thread
    def ids(self) -> frozenset[str]:
        """The internal ids of the images that were entered."""
        found: set[str] = set()
        after = ''
        while page := self._page(after):
            found.update(page)
            after = page[-1]
        return frozenset(found)

    def _page(self, after: str) -> list[str]:
        try:
            with errors.translated('list of unfinished images',
                                   errors.ObjectNotFound), \
                    rados.ReadOpCtx() as op:
                pairs, _ = self._ioctx.get_omap_vals(op, after, '', _PAGE)
                self._ioctx.operate_read_op(op, _OBJECT)
                return [key for key, _ in pairs]
        except errors.ObjectNotFound:
            return []
