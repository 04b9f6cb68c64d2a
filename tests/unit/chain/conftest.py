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
"""Chains on a pool in memory."""

import contextlib

import pytest

from tests.contract import fake_pool


class Flattener:
    """Flattens nothing, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def request(self, pool, image):
        self.asked.append(('request', image))

    def settle(self, pool, image, patience):
        self.asked.append(('settle', image))
        return True

    @contextlib.contextmanager
    def held_off(self, pool, image_id):
        self.asked.append(('held off', image_id))
        yield

    def make_way(self, pool, image_id):
        self.asked.append(('make way', image_id))

    def cancel(self, pool, image_id):
        self.asked.append(('cancel', image_id))


@pytest.fixture
def pool():
    return fake_pool.FakePool()


@pytest.fixture
def flattener():
    return Flattener()


@pytest.fixture
def write(pool):
    """Writes to an image."""
    def write(image, data, offset=0):
        writer = pool.data.writer(image)
        writer.write_at((offset, data))
        writer.close()

    return write


@pytest.fixture
def data(pool):
    """The first bytes of an image."""
    def data(image):
        found = pool.data.reader(image).next()
        return found[1].rstrip(b'\0') if found else b''

    return data
