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

"""The gate itself: it must not pass when something failed, or nothing ran."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from tools import run_tests

RUNNER = pathlib.Path(run_tests.__file__)


@pytest.fixture
def run(tmp_path):
    """Run a suite of the given tests as the gate would; (status, lines)."""
    def run(source, *arguments, workers=0):
        suite = tmp_path / 'suite'
        suite.mkdir(exist_ok=True)
        (suite / 'test_it.py').write_text(textwrap.dedent(source))
        program = textwrap.dedent(f'''
            import pathlib, sys
            sys.path.insert(0, {str(RUNNER.parent)!r})
            import run_tests
            run_tests.RESULTS = pathlib.Path({str(tmp_path)!r})
            run_tests.suites = lambda: {{
                'it': run_tests.Pytest(1, {str(suite)!r},
                                       workers={workers})}}
            sys.exit(run_tests.main())
        ''')
        # Looking for all plug-ins takes longer than all the rest.
        environment = {**os.environ, 'PYTEST_DISABLE_PLUGIN_AUTOLOAD': '1',
                       'PYTEST_ADDOPTS': '-p xdist.plugin -p pytest_timeout'}
        done = subprocess.run(
            [sys.executable, '-c', program, *arguments], text=True,
            capture_output=True, timeout=300, env=environment)
        return done.returncode, done.stdout.splitlines()

    return run


def test_counts_of_all_kinds(run):
    status, lines = run('''
        import pytest
        def test_passes(): pass
        def test_fails(): assert False
        def test_is_skipped(): pytest.skip('no')
        @pytest.fixture
        def broken(): raise RuntimeError
        def test_has_an_error(broken): pass
    ''')

    assert lines[-1] == '1 passed, 2 failed, 1 skipped'
    assert status == 1


def test_success(run):
    assert run('def test_passes(): pass')[0] == 0


def test_a_file_instead_of_the_whole_suite(run, tmp_path):
    run('def test_passes(): pass')
    (tmp_path / 'suite/test_more.py').write_text('def test_more(): pass')

    whole = run('def test_passes(): pass')[1][-1]
    part = run('def test_passes(): pass',
               f'--pytest-args={tmp_path}/suite/test_more.py')[1][-1]

    assert whole == '2 passed, 0 failed, 0 skipped'
    assert part == '1 passed, 0 failed, 0 skipped'


def test_nothing_ran(run):
    status, lines = run('')

    assert lines[-1] == '0 passed, 1 failed, 0 skipped'
    assert status == 1


def test_a_module_that_cannot_be_imported(run):
    status, lines = run('import no_such_module')

    assert lines[-1] == '0 passed, 1 failed, 0 skipped'
    assert status == 1


def test_a_hang_costs_one_test(run):
    """pytest-timeout can only end the process of a test that hangs in C."""
    status, lines = run('''
        import pytest, time
        def test_before(): pass
        @pytest.mark.timeout(1, method='thread')
        def test_hangs(): time.sleep(600)
        def test_after(): pass
    ''', workers=1)

    assert lines[-1] == '2 passed, 1 failed, 0 skipped'
    assert status == 1


def test_a_daemon_left_running_fails_and_is_stopped(run, tmp_path):
    status, lines = run(f'''
        import subprocess, pathlib, time
        def test_starts_a_daemon():
            subprocess.run(['setsid', '-f', 'sh', '-c',
                            'echo $$ > {tmp_path}/pid; exec sleep 600'],
                           env={{}}, check=True)
            while not pathlib.Path('{tmp_path}/pid').exists():
                time.sleep(0.01)
    ''')

    assert lines[-1] == '1 passed, 1 failed, 0 skipped'
    assert status == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / 'pid').read_text()), 0)


def test_a_daemon_that_ends_leaves_no_zombie(run, tmp_path):
    """libvirt waits for its guests' processes to vanish."""
    status, _ = run(f'''
        import pathlib, subprocess, time
        def test_a_daemon_vanishes():
            pid = pathlib.Path('{tmp_path}/pid')
            subprocess.run(['setsid', '-f', 'sh', '-c', f'echo $$ > {{pid}}'],
                           env={{}}, check=True)
            while not pid.exists() or not pid.read_text():
                time.sleep(0.01)
            while pathlib.Path(f'/proc/{{pid.read_text().strip()}}').exists():
                time.sleep(0.01)
    ''')

    assert status == 0
