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

The detection is oslo.utils' format inspector, which Glance, Nova and Cinder
rely on as well; each format adds strict rules of its own (:mod:`rules`).  What
passes is all that qemu-img is ever run on.
"""

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer.check import inspectors

# The inspectors take one step for each piece, so a piece must not hold two
# structures of which one points to the other.  All that they follow lies in
# the first MiBs; later they only wait for the end.
_PIECE = 4096
_STRUCTURES = 4 * 1024 * 1024


class Inspection:
    """Watches the bytes of an image and judges them.

    Must be called in the caller's thread: oslo.utils logs.

    :param image_id: for errors
    :param declared: Glance's disk format
    :param vmdk_types: VMDK subformats that the operator allows
    """

    def __init__(self, image_id: str, declared: str,
                 vmdk_types: tuple[str, ...]) -> None:
        self._image_id = image_id
        self._declared = declared
        self._seen = 0
        self._running = inspectors.for_declared(declared, vmdk_types)
        self._matching: dict[str, format_inspector.FileInspector] = {}

    @property
    def settled(self) -> bool:
        """Whether more data would change nothing."""
        return not self._running

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes.

        :raises errors.ImageUnsafe: as soon as they cannot be right
        """
        at = 0
        while self._running and at < len(chunk):
            piece = len(chunk)
            if self._seen < _STRUCTURES:
                piece = _PIECE
            self._feed(chunk[at:at + piece])
            at += piece

    def finish(self) -> str:
        """Judge, at the end of the data.

        :returns: the disk format to treat the data as
        :raises errors.ImageUnsafe: when it is not what Glance declares, or
            not safe to convert
        """
        for name, inspector in list(self._running.items()):
            inspector.finish()
            self._settle(name, inspector)
        found = formats.settle(self._declared, self._looks)
        if found is None:
            raise self._mismatch()
        return found

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk inside, as far as the data has shown; else 0.

        A hint to refuse early: what counts is what the converter finds.
        """
        inspector = self._matching.get(self._declared)
        if inspector is None or self._declared in formats.PLAIN:
            return 0
        try:
            return int(inspector.virtual_size)
        except Exception as error:
            raise self._damaged(self._declared, error) from error

    @property
    def _looks(self) -> frozenset[str]:
        return frozenset(self._matching)

    def _feed(self, piece: bytes) -> None:
        self._seen += len(piece)
        for name, inspector in list(self._running.items()):
            try:
                inspector.eat_chunk(piece)
            except Exception:
                # Not this format: the inspectors raise all sorts of errors
                # over data that they were not made for.
                self._rule_out(name)
                continue
            if inspector.complete:
                self._settle(name, inspector)

    def _settle(self, name: str,
                inspector: format_inspector.FileInspector) -> None:
        if not _matches(inspector):
            self._rule_out(name)
            return
        del self._running[name]
        self._matching[name] = inspector
        if formats.hopeless(self._declared, self._looks):
            raise self._mismatch()
        if name not in formats.LOOKS_PLAIN:
            self._check_safety(name, inspector)

    def _rule_out(self, name: str) -> None:
        del self._running[name]
        if name == self._declared and self._declared != 'vhd':
            raise self._mismatch()  # a VHD may still turn out a fixed one

    def _check_safety(self, name: str,
                      inspector: format_inspector.FileInspector) -> None:
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            found = '; '.join(f'{check}: {why}' for check, why
                              in error.failures.items())
            raise errors.ImageUnsafe(
                self._image_id, f'this {name} image is not safe to convert: '
                f'{found}') from error
        except Exception as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> errors.ImageUnsafe:
        """The inspectors raise all sorts of errors over hostile data."""
        return errors.ImageUnsafe(
            self._image_id, f'this {name} image is damaged: '
            f'{type(error).__name__}: {error}')

    def _mismatch(self) -> errors.ImageUnsafe:
        looks = ' and '.join(sorted(self._looks)) or 'raw'
        return errors.ImageUnsafe(
            self._image_id,
            f'it is declared as {self._declared} but its data looks like '
            f'{looks}; upload it again with the right disk format')


def _matches(inspector: format_inspector.FileInspector) -> bool:
    try:
        return bool(inspector.format_match)
    except Exception:
        return False  # as in _feed: made for other data
