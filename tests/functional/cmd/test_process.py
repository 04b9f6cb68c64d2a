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
"""How the process of a command ends."""

from concurrent import futures
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.functional.daemons import paused

WORDS = (('cache', 'list'), ('leaks', 'list'))


@pytest.fixture
def start(manage):
    """Starts a command in a process group of its own."""
    def call(*words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, '-m', 'rbd_imgdriver.cmd.manage', *words,
             '--config-file', str(manage.conf)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)

    return call


def connected(process: subprocess.Popen) -> bool:
    """Whether librados has begun in it: its threads have names."""
    try:
        return any('ms_dispatch' in open(f'/proc/{process.pid}/task/{task}'
                                         '/comm').read()
                   for task in os.listdir(f'/proc/{process.pid}/task'))
    except (FileNotFoundError, ProcessLookupError):
        return False  # a thread that has just ended


@pytest.mark.parametrize('words', WORDS, ids=' '.join)
@pytest.mark.parametrize('which', ['ceph-mon', 'ceph-osd.0'])
def test_an_interrupt_ends_it_at_once(cluster, start, which, words):
    """Whatever librados waits for."""
    daemon = next(one for one in cluster.daemons() if one.name == which)
    with paused(daemon):
        interrupt(start(*words))


@pytest.mark.parametrize('words', [
    ('cache', 'list'), ('volume', 'explain', 'x'), ('doctor',),
    ('caps', '--admin')], ids=' '.join)
def test_an_interrupt_ends_it_where_no_monitor_answers(
        cluster, manage, start, tmp_path, words):
    """Something accepts connections and is silent."""
    conf = tmp_path / 'ceph.conf'
    manage.conf.write_text(manage.conf.read_text().replace(
        str(cluster.conf('cinder')), str(conf)))
    with socket.create_server(('127.0.0.1', 0)) as silent:
        conf.write_text(f'''[global]
mon_host = 127.0.0.1:{silent.getsockname()[1]}
[client]
keyring = {cluster.keyring('cinder')}
[client.admin]
keyring = {cluster.keyring()}
''')
        interrupt(start(*words))


def interrupt(process: subprocess.Popen) -> None:
    """Interrupt a command at work, and see it end."""
    while not connected(process):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    interrupted = time.monotonic()
    _, errors = process.communicate(timeout=60)
    took = time.monotonic() - interrupted
    assert process.returncode == 1, errors
    assert 'interrupted' in errors
    assert 'Traceback' not in errors
    # 1.5 s of waiting; without it a minute, or for ever. The rest is for a
    # machine that has much to do.
    assert took < 40, errors


def test_short_commands_never_abort(start):
    """Several at a time: the machine has more to do than it can."""
    def code(number: int) -> int:
        process = start(*WORDS[number % 2])
        _, errors = process.communicate(timeout=300)
        return process.returncode

    with futures.ThreadPoolExecutor(4) as threads:
        codes = list(threads.map(code, range(12)))
    assert codes == [0] * len(codes)
