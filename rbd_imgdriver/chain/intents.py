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
"""The intent to flatten an image, as it is written on the image itself.

Written before the work begins and removed after the last of it, so that any
host can finish what another has begun.
"""

import dataclasses
import json

from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import model

KEY = model.METADATA_PREFIX + 'flatten'
PROGRESS_KEY = model.METADATA_PREFIX + 'flatten-progress'
KEYS = (KEY, PROGRESS_KEY)


@dataclasses.dataclass(frozen=True)
class Intent:
    """An image that is to be flattened.

    :param image_id: its internal id
    :param parent: what it was a clone of when that was decided; may have to
        be freed when the image no longer knows it
    """

    image_id: str
    parent: header.ParentRef


def value(intent: Intent) -> str:
    """The intent as a metadata value."""
    return json.dumps(dataclasses.asdict(intent), sort_keys=True)


def parse(image_id: str, text: str | None) -> Intent | None:
    """The intent that an image carries, or None."""
    try:
        parent = model.note_of(image_id, text)['parent']
        return Intent(image_id, header.ParentRef(**parent))
    except (KeyError, TypeError):
        return None
