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
"""Alert rules and dashboard ask for what there is, and wake rightly."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from rbd_imgdriver import errors
from rbd_imgdriver import metrics
from rbd_imgdriver.strategies import base

TOP = pathlib.Path(__file__).resolve().parents[2]
RULES = TOP / 'doc/prometheus/rbd-imgdriver.rules.yml'
TESTS = TOP / 'tests/unit/prometheus/alerts.yml'
BOARD = TOP / 'doc/grafana/rbd-imgdriver.json'

ALERTS = [rule for group in yaml.safe_load(RULES.read_text())['groups']
          for rule in group['rules']]


def promtool(*words: object) -> None:
    """Run the promtool of "make setup"."""
    program = pathlib.Path(sys.executable).with_name('promtool')
    done = subprocess.run([program, *words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


def test_the_rules_are_rules():
    promtool('check', 'rules', RULES)


def test_each_wakes_when_it_has_to_and_only_then():
    promtool('test', 'rules', TESTS)


@pytest.mark.parametrize('alert', ALERTS, ids=lambda one: one['alert'])
def test_each_alert_is_tested_and_knows_its_metrics(alert):
    tested = [one for test in yaml.safe_load(TESTS.read_text())['tests']
              for one in test['alert_rule_test']
              if one['alertname'] == alert['alert'] and one.get('exp_alerts')]
    assert tested
    known = {one.name for one in metrics.ALL}
    assert set(re.findall(r'rbd_imgdriver_\w+', alert['expr'])) <= known


@pytest.mark.parametrize(('metric', 'codes'), [
    ('rbd_imgdriver_failed_total', errors.codes()),
    ('rbd_imgdriver_declined_total', base.codes())])
def test_the_codes_that_alerts_name_are_codes(metric, codes):
    named = {code for alert in ALERTS for found in re.findall(
        metric + r'\{code=~"([^"]*)"', alert['expr'])
        for code in found.split('|')}
    assert named
    assert named <= set(codes)


def test_the_dashboard_shows_the_instance_and_backend_that_are_chosen():
    board = json.loads(BOARD.read_text())
    chosen = {one['name'] for one in board['templating']['list']}
    assert {'instance', 'backend'} <= chosen
    for panel in board['panels']:
        for target in panel['targets']:
            asked = len(re.findall(r'rbd_imgdriver_\w+', target['expr']))
            for variable in ('instance=~"$instance"', 'backend=~"$backend"'):
                assert target['expr'].count(variable) == asked
