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
"""What is found about an image's data, for those who wait for its import."""

from rbd_imgdriver import errors


class Verdict:
    """What is wrong with an image's data, for those who wait for it.

    Only that is shared.  What is wrong with the importer - its volume is too
    small, its token has expired, its host is out of space - does not concern
    the others, who import in its place.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._error: tuple[type[errors.ImageError], str, str] | None = None

    def note(self, error: errors.ImageError) -> None:
        """Remember an error, without the frames that its traceback holds."""
        if error.of_data:
            self._error = type(error), error.image_id, error.reason

    def raise_again(self) -> None:
        """Raise what was noted since the caller began to wait.

        :raises rbd_imgdriver.errors.ImageError: in that case
        """
        if self._error is not None:
            kind, image_id, reason = self._error
            raise kind(image_id, reason)
