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
"""Which images are mirrored to another cluster.
"""

from typing import Any

import rbd

from rbd_imgdriver.ceph import errors


def is_mirrored(ioctx: Any, id_: str) -> bool:
    """Whether an image, which may be in the trash, is mirrored.

    librbd mirrors a clone only when its parent is mirrored, too
    (src/librbd/mirror/EnableRequest.cc).
    """
    with errors.translated(f'mirroring of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_, read_only=True) as image:
        info = image.mirror_image_get_info()
    return bool(info['state'] == rbd.RBD_MIRROR_IMAGE_ENABLED)
