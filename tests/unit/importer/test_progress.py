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

"""How far an import is, in words and in time."""

import logging

import pytest

from rbd_imgdriver.importer import progress

MIB = 2**20


@pytest.mark.parametrize(('done', 'total', 'seconds', 'text'), [
    (0, 0, 0.0, 'copying 0 MiB'),
    (50 * MIB, 0, 2.0, 'copying 50 MiB, 25 MiB/s'),
    (0, 100 * MIB, 3.0, 'copying 0% of 100 MiB'),
    (25 * MIB, 100 * MIB, 2.0, 'copying 25% of 100 MiB, 12 MiB/s, 6 s left'),
    (100 * MIB, 100 * MIB, 4.0,
     'copying 100% of 100 MiB, 25 MiB/s, 0 s left'),
    (7 * MIB, 5 * MIB, 0.0, 'copying 140% of 5 MiB'),
])
def test_describe(done, total, seconds, text):
    assert progress.describe('copying', done, total, seconds) == text


class Scene:
    """A reporter with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.heard: list[tuple[int, int]] = []
        self.noted: list[str] = []
        self.reporter = progress.Reporter(
            'An import', lambda *step: self.heard.append(step),
            self.noted.append, lambda: self.now)


def test_the_listener_hears_every_step():
    scene = Scene()
    scene.reporter.begin('downloading', 10)
    scene.reporter.advance(3)
    scene.reporter.alive()
    scene.reporter.advance(10)

    assert scene.heard == [(3, 10), (3, 10), (10, 10)]


def test_a_report_every_few_seconds(caplog):
    caplog.set_level(logging.INFO)
    scene = Scene()
    scene.reporter.begin('downloading', 10 * MIB)
    scene.reporter.advance(MIB)
    assert scene.noted == []

    scene.now += progress.EVERY
    scene.reporter.advance(5 * MIB)
    scene.reporter.advance(6 * MIB)

    assert scene.noted == [
        'downloading 50% of 10 MiB, 1 MiB/s, 5 s left']
    assert caplog.messages == [f'An import: {scene.noted[0]}']


def test_each_phase_has_its_own_rate():
    scene = Scene()
    scene.reporter.begin('downloading', None)
    scene.now += 100
    scene.reporter.begin('converting', 100 * MIB)
    scene.now += progress.EVERY

    scene.reporter.advance(50 * MIB)

    assert scene.noted == [
        'converting 50% of 100 MiB, 10 MiB/s, 5 s left']


def test_what_a_listener_raises_ends_the_import():
    def lost(_done: int, _total: int) -> None:
        raise TimeoutError

    reporter = progress.Reporter('', lost, lambda _: None)
    with pytest.raises(TimeoutError):
        reporter.advance(1)
