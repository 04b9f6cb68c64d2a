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
"""Commands in processes that have the libraries imported already.

Each is a process of its own, with its arguments, environment, streams and exit
code.  Only the import of Cinder and what it needs, most of the computing that
a short command does, is done once for all.  Our own modules are imported by
each.  That a command works when Python itself is started for it is seen in
test_process.py, test_user.py and tests/e2e.
"""

from collections.abc import Iterator
import contextlib
import importlib
import json
import os
import pathlib
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import warnings

ROOT = pathlib.Path(__file__).parents[3]
MODULE = 'rbd_imgdriver.cmd.manage'
LIBRARIES = ('cinder.context', 'cinder.image.image_utils', 'cliff.app',
             'oslo_log.log', 'oslo_utils.imageutils')
LARGEST = 2**17  # bytes of a request


class Starter:
    """Has commands started by a process that has the libraries."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests

    def run(self, *words: str,
            timeout: float = 300) -> subprocess.CompletedProcess:
        """Run ``rbd-imgdriver-manage`` with these words.

        :raises subprocess.TimeoutExpired: when it takes longer than so many
            seconds
        """
        reply, answer = os.pipe()
        with (tempfile.TemporaryFile('w+') as out,
              tempfile.TemporaryFile('w+') as errors,
              open(reply) as replies):
            try:
                socket.send_fds(
                    self._requests,
                    [json.dumps([words, dict(os.environ)]).encode()],
                    [out.fileno(), errors.fileno(), answer])
            finally:
                os.close(answer)
            if not select.select([replies], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(words, timeout)
            code = int(replies.read())
            for stream in out, errors:
                stream.seek(0)
            return subprocess.CompletedProcess(
                words, code, out.read(), errors.read())


class Fresh:
    """Starts commands as operators do, with all that they import."""

    def run(self, *words: str,
            timeout: float = 300) -> subprocess.CompletedProcess:
        """See :meth:`Starter.run`."""
        return subprocess.run([sys.executable, '-m', MODULE, *words],
                              capture_output=True, text=True,
                              timeout=timeout)


@contextlib.contextmanager
def starter() -> Iterator[Starter]:
    """Start the process; it ends with all that it has started."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, '-m', __name__, str(theirs.fileno())], cwd=ROOT,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
            start_new_session=True)
        # If it ends, nobody waits for its answer.
        theirs.close()
        try:
            yield Starter(ours)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def serve(requests: socket.socket) -> None:
    """Start commands as they are asked for, several at a time."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, *_ = socket.recv_fds(requests, LARGEST, 3)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            attend(*json.loads(request), *descriptors)
            return
        for one in descriptors:
            os.close(one)


def attend(words: list[str], environ: dict[str, str], out: int, errors: int,
           answer: int) -> None:
    """Run a command in a child, and report its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        os.write(answer, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.dup2(out, 1)
    os.dup2(errors, 2)
    for one in out, errors, answer:
        os.close(one)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = words
    runpy.run_module(MODULE, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for library in LIBRARIES:
            importlib.import_module(library)
    serve(socket.socket(fileno=int(sys.argv[1])))
