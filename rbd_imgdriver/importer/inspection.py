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
"""What the data of an image really is, found out while it passes by.

The detection and its safety checks are oslo.utils' format inspector, which
Glance, Nova and Cinder rely on as well; two formats that it refuses or does
not know have their inspectors in :mod:`rbd_imgdriver.importer.inspectors`.
"""

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver import errors
from rbd_imgdriver.importer import formats
from rbd_imgdriver.importer import inspectors

# The inspectors take one step for each piece, so a piece must not hold two
# structures of which one points to the other.
_PIECE = 4096


class Inspection:
    """Watches the bytes of an image and judges them.

    :param image_id: for errors
    :param declared: Glance's disk format
    """

    def __init__(self, image_id: str, declared: str) -> None:
        self._image_id = image_id
        self._declared = declared
        self._running: dict[str, format_inspector.FileInspector] = {
            name: kind() for name, kind in inspectors.ALL.items()}
        self._matching: dict[str, format_inspector.FileInspector] = {}
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes.

        :raises errors.ImageUnsafe: as soon as they cannot be right
        """
        for at in range(0, len(chunk), _PIECE):
            if not self._running:
                return
            self._feed(chunk[at:at + _PIECE])

    def finish(self) -> None:
        """Judge at the end of the data.

        :raises errors.ImageUnsafe: when it is not what Glance declares, or
            not safe to convert
        """
        for name, inspector in list(self._running.items()):
            inspector.finish()
            self._settle(name, inspector)
        self._ended = True
        self._judge()

    @property
    def disk_format(self) -> str:
        """The format to treat the data as; valid when finished."""
        found = formats.settle(self._declared, self._looks())
        if found is None:
            raise self._mismatch()
        return found

    def _feed(self, piece: bytes) -> None:
        for name, inspector in list(self._running.items()):
            try:
                inspector.eat_chunk(piece)
            except Exception:
                # Not this format: the inspectors raise all sorts of errors
                # over data that they were not made for.
                del self._running[name]
                continue
            if inspector.complete:
                self._settle(name, inspector)

    def _settle(self, name: str,
                inspector: format_inspector.FileInspector) -> None:
        del self._running[name]
        if inspector.format_match:
            self._matching[name] = inspector

    def _looks(self) -> frozenset[str]:
        return frozenset(self._matching) or frozenset({'raw'})

    def _judge(self) -> None:
        name = self.disk_format
        inspector = self._matching.get(name)
        if name == 'raw' or inspector is None:
            return
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            raise errors.ImageUnsafe(
                self._image_id, f'this {name} image is not safe to convert: '
                + ', '.join(f'{check} ({why})' for check, why
                            in error.failures.items())) from error
        except format_inspector.ImageFormatError as error:
            raise errors.ImageUnsafe(
                self._image_id,
                f'this {name} image is damaged: {error}') from error

    def _mismatch(self) -> errors.ImageUnsafe:
        return errors.ImageUnsafe(
            self._image_id,
            f'it is declared as {self._declared or "nothing"} but its data '
            f'looks like {" and ".join(sorted(self._looks()))}; upload it '
            'again with the right disk format')
