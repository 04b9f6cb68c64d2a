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
"""What Glance reports of its images."""

from collections.abc import Callable
from collections.abc import Iterator

from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver import model

Finding = findings.Finding


def rights(forbidden: bool, settable: bool,
           sees_all: bool) -> Iterator[Finding]:
    """What Glance allows us, and tenants.

    :param forbidden: whether the locations API refuses our user
    :param settable: whether members of projects can set locations
    :param sees_all: whether our user sees the images of all projects
    """
    if forbidden:
        yield Finding('locations-forbidden', 'Glance',
                      'get_image_locations answers 403')
    if settable:
        yield Finding('locations-settable', 'Glance',
                      'images have the property "locations"')
    if not sees_all:
        yield Finding('images-hidden', 'Glance',
                      'it does not let our user list tasks')


def check(images: list[model.Image]) -> Iterator[Finding]:
    """What is odd about some images.

    :param images: some, with their locations
    """
    if images and not any(image.locations for image in images):
        yield Finding('locations-hidden', 'Glance',
                      f'{len(images)} images were looked at')
    nameless = [image.id for image in images
                if not (image.hash_value or image.checksum)]
    if nameless:
        yield Finding('no-hash', 'Glance', f'for example image {nameless[0]}')


def largest_download(images: list[model.Image],
                     at_hand: Callable[[model.Image], bool]) -> int | None:
    """Bytes of the largest image that an import writes to a file.

    :param at_hand: whether an import reads an image within our cluster, which
        needs no file
    """
    sizes = [image.size for image in images
             if image.size and image.disk_format not in formats.PLAIN
             and not at_hand(image)]
    return max(sizes, default=None)
