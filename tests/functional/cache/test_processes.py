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
"""One import per cluster, whatever the concurrency and whoever dies."""

import signal

import pytest

from rbd_imgdriver.importer import temporary
from tests.functional import host


def wait_until(condition, process):
    """Ask until it is so; the process must live meanwhile."""
    while not condition():
        assert process.poll() is None, 'the process ended'


@pytest.fixture
def has_begun(pool):
    """Whether an import has marked its image as its own."""
    return lambda: any(temporary.is_marked(image.id, image.metadata)
                       for image in pool.directory.listed(temporary.PREFIX))


def result(lines):
    made = [line for line in lines if 'volume' in line]
    assert all(line['ok'] for line in made), made
    (summary,) = [line for line in lines if 'downloads' in line]
    return made, summary


@pytest.mark.parametrize('green', [False, True])
def test_fifty_creates_on_two_hosts_are_one_download(
        spawn, meta, qcow2, store, children, green):
    services = [spawn(meta, qcow2, 25, green=green) for _ in range(2)]
    for service in services:
        service.start()
    results = [result(service.lines()) for service in services]

    assert sum(summary['downloads'] for _, summary in results) == 1
    (entry,) = store.entries()
    names = sorted(line['volume'] for made, _ in results for line in made)
    assert children(entry.name) == names
    assert len(names) == 50


def test_eventlet_is_never_held_up(spawn, meta, qcow2):
    """While 12 volumes are made, other green threads go on running."""
    service = spawn(meta, qcow2, 12, green=True)
    service.start()
    _, summary = result(service.lines())
    # A snapshot alone takes the monitors up to a second.
    assert summary['longest_silence'] < 0.5


@pytest.mark.usefixtures('short_watches')
def test_an_importer_that_is_killed_is_replaced(spawn, disk, store, has_begun,
                                                contents, sweep_until):
    raw = host.image_meta(disk, 'raw')
    first = spawn(raw, disk, pause=0.05)
    second = spawn(raw, disk)
    first.start()
    wait_until(has_begun, first.process)
    first.kill()

    second.start()
    made, summary = result(second.lines())

    assert summary['downloads'] == 1
    (entry,) = store.entries()
    sweep_until(lambda: contents() == (
        sorted([entry.name, made[0]['volume']]), []))


def test_a_suspended_importer_does_no_harm_when_it_wakes(
        spawn, disk, store, has_begun, contents, children, sweep_until):
    raw = host.image_meta(disk, 'raw')
    first = spawn(raw, disk, pause=0.01)
    second = spawn(raw, disk)
    first.start()
    wait_until(has_begun, first.process)
    first.process.send_signal(signal.SIGSTOP)
    second.start()
    result(second.lines())
    (entry,) = store.entries()

    first.process.send_signal(signal.SIGCONT)
    result(first.lines())

    assert [one.name for one in store.entries()] == [entry.name]
    assert len(children(entry.name)) == 2
    sweep_until(lambda: not [name for name in contents()[0]
                             if name.startswith('.')])
