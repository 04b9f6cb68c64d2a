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
"""Medians, percentiles and quartiles."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from bench import statistics

VALUES = st.lists(st.floats(0, 1e6), min_size=1)


@pytest.mark.parametrize(('percent', 'value'), [
    (1, 1), (50, 5), (51, 6), (95, 10), (100, 10)])
def test_a_percentile_of_ten(percent, value):
    assert statistics.percentile(range(10, 0, -1), percent) == value


@given(VALUES, st.floats(0.1, 100))
def test_enough_values_are_no_greater(values, percent):
    found = statistics.percentile(values, percent)

    assert found in values
    assert sum(one <= found for one in values) >= len(values) * percent / 100


@given(VALUES)
def test_the_median_lies_in_the_spread(values):
    low, high = statistics.spread(values)
    if len(values) % 2:
        assert low <= statistics.median(values) <= high
