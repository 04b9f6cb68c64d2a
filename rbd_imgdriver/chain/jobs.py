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
"""An image that a process is going to flatten, and waiting for its turn."""

from collections.abc import Callable
import dataclasses
import time

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import parts

POLL = 0.05  # seconds between two looks of a waiting caller


@dataclasses.dataclass(frozen=True)
class Job:
    """An image to flatten, whatever it is called by then."""

    pool_name: str
    image_id: str
    pool: parts.Pool = dataclasses.field(compare=False)

    def until(self, condition: Callable[[], bool], patience: float) -> None:
        """Wait for a sign that the flatten has ended.

        :param patience: seconds to wait at most
        :raises errors.ImageBusy: when it does not
        """
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                raise errors.ImageBusy(
                    f'image id {self.image_id} in pool {self.pool_name} is '
                    'being flattened by the client that has it open; try '
                    'again when that is done')
            time.sleep(POLL)
