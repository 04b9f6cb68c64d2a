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
"""One call of Ceph's ``rbd`` object class, however long its answer is."""

from typing import Any

from rbd_imgdriver.ceph import errors

# A caller provides room for the answer and gets ERANGE when it is too
# little.  How much is enough is not known beforehand: metadata of other
# tools may be of any length.
_ROOM = 64 * 1024
_MOST_ROOM = 256 * 1024 * 1024
_GROWTH = 8


def call(ioctx: Any, name: str, method: str, query: bytes,
         missing: type[errors.CephError] = errors.ImageNotFound,
         room: int = _ROOM) -> bytes:
    """Call a method of the class on an object.

    :param name: of the object
    :param missing: raised when there is no such object, or the method does
        not find in it what it was asked for
    :param room: bytes that most answers do not exceed
    """
    while True:
        try:
            with errors.translated(f'{method} of {name}', missing):
                _, answer = ioctx.execute(name, 'rbd', method, query, room)
            return bytes(answer)
        except errors.AnswerTooLong:
            room *= _GROWTH
            if room > _MOST_ROOM:
                raise
