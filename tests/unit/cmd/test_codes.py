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
"""Every code that the code can produce is explained to operators."""

import ast
import collections
from collections.abc import Iterator
import dataclasses
import functools
import pathlib

import pytest

from rbd_imgdriver.cmd import advice
from rbd_imgdriver.cmd.checks import cluster
from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import health
from rbd_imgdriver.strategies import base

PACKAGE = pathlib.Path(__file__).resolve().parents[3] / 'rbd_imgdriver'


@dataclasses.dataclass(frozen=True)
class Module:
    """The constants that stand in a module.

    :param calls: the first arguments of calls, by the names of what is called
    :param codes: the values of ``code = '...'``
    """

    constants: list[object]
    calls: dict[str, list[object]]
    codes: list[object]


@functools.cache
def module(path: pathlib.Path) -> Module:
    """Walk through a module once: that takes most of these tests' time."""
    found = Module([], collections.defaultdict(list), [])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant):
            found.constants.append(node.value)
        elif isinstance(node, ast.Call):
            if node.args and isinstance(node.args[0], ast.Constant):
                called = getattr(node.func, 'attr',
                                 getattr(node.func, 'id', ''))
                found.calls[called].append(node.args[0].value)
        elif (isinstance(node, ast.Assign)
              and isinstance(node.targets[0], ast.Name)
              and node.targets[0].id == 'code'
              and isinstance(node.value, ast.Constant)):
            found.codes.append(node.value.value)
    return found


def calls(*names: str) -> Iterator[str]:
    """The constant first arguments of calls of something of these names."""
    for path in PACKAGE.rglob('*.py'):
        for name in names:
            yield from module(path).calls.get(name, ())


def checks() -> Iterator[str]:
    """The strings in the modules that check: codes stand in tables, too."""
    found = PACKAGE / 'cmd/checks'
    for path in (*found.glob('*.py'), PACKAGE / 'cmd/doctor.py',
                 PACKAGE / 'cmd/examination.py'):
        if path.name not in ('findings.py', 'ceph_kinds.py'):
            yield from module(path).constants


def class_codes(*paths: str) -> Iterator[str]:
    """The values of ``code = '...'`` in classes."""
    for pattern in paths:
        for path in PACKAGE.glob(pattern):
            yield from module(path).codes


def test_the_scan_finds_what_is_known_to_be_there():
    assert 'no-location' in set(calls('Declined'))
    assert 'no-permission' in set(class_codes('ceph/*.py'))


@pytest.mark.parametrize('code', sorted(set(calls(
    'Declined', 'CacheUnusable', 'NotCloned'))))
def test_each_reason_to_decline_has_its_advice(code):
    assert code in advice.DECLINED


@pytest.mark.parametrize('code', sorted(set(class_codes('ceph/**/*.py',
                                                        'chain/*.py'))))
def test_each_error_of_ceph_has_its_advice(code):
    assert code in advice.DECLINED or code in advice.FAILED


@pytest.mark.parametrize('code', sorted(set(class_codes('errors.py',
                                                        'provision.py'))))
def test_each_error_that_ends_a_create_has_its_advice(code):
    assert code in advice.FAILED


def test_each_reason_to_decline_is_counted_from_the_beginning():
    assert set(calls('Declined', 'NotCloned')) <= set(base.codes())
    assert set(base.CODES) <= set(advice.DECLINED)


def test_no_advice_is_about_a_code_that_there_is_not():
    used = {*calls('Declined', 'CacheUnusable', 'NotCloned'),
            *class_codes('**/*.py')}
    assert set(advice.DECLINED) | set(advice.FAILED) <= used


def test_the_doctor_knows_what_it_finds():
    assert set(calls('Finding')) - set(findings.KINDS) == set()
    assert set(findings.KINDS) - set(checks()) == set()
    assert {*health.MEANS.values(), *cluster.FAILED.values()} <= set(
        findings.KINDS)


def test_what_has_to_be_mended_has_a_remedy():
    assert [code for code, kind in findings.KINDS.items()
            if kind.severity >= findings.Severity.WARNING
            and not kind.remedy] == []
