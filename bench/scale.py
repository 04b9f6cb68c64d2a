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

"""How much is measured."""

import dataclasses

from bench import data


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param rounds: turns of each contender that count
    :param many: the same of what users wait for and takes a moment
    :param long: the same where one takes half a minute
    :param api: the same through the API of a cloud
    :param row: volumes made in a row
    :param at_once: volumes made at the same time
    :param children: earlier children of a cached image
    :param pool: images in the pool, a multiple of 1,000 each
    :param storm: volumes at once through the API
    :param disk: of the direct clones and copies
    :param cloned: of the clones of small images, of whole GiB
    :param imported: what is imported without conversion
    :param encrypted: what is imported into encrypted volumes
    :param converted: what is imported from another format
    :param sparse: what is imported to see how much memory that takes
    """

    rounds: int
    many: int
    long: int
    api: int
    row: int
    at_once: int
    children: tuple[int, ...]
    pool: tuple[int, ...]
    storm: int
    disk: data.Disk
    cloned: data.Disk
    imported: data.Disk
    encrypted: data.Disk
    converted: data.Disk
    sparse: data.Disk


FULL = Scale(7, 100, 3, 20, 20, 32, (1, 10, 100, 1000),
             (1000, 10_000, 100_000), 1000,
             data.Disk(4 * data.GIB, 512 * data.MIB),
             data.Disk(1 * data.GIB, 64 * data.MIB),
             data.Disk(1 * data.GIB, 128 * data.MIB),
             data.Disk(256 * data.MIB, 64 * data.MIB),
             data.Disk(2 * data.GIB, 256 * data.MIB),
             data.Disk(20 * data.GIB, 512 * data.MIB))
QUICK = Scale(2, 5, 1, 4, 4, 8, (1, 10, 50), (1000, 2000), 50,
              data.Disk(1 * data.GIB, 128 * data.MIB),
              data.Disk(1 * data.GIB, 64 * data.MIB),
              data.Disk(256 * data.MIB, 64 * data.MIB),
              data.Disk(256 * data.MIB, 64 * data.MIB),
              data.Disk(1 * data.GIB, 128 * data.MIB),
              data.Disk(2 * data.GIB, 64 * data.MIB))
