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
"""Glance's location URLs."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from rbd_imgdriver import locations

VOLUME = 'c3c0ffee-0000-4000-8000-000000000001'


@pytest.mark.parametrize(('url', 'expected'), [
    ('rbd://f/p/i/s', locations.RbdLocation('f', 'p', 'i', 's')),
    ('rbd://f/p%20q/i%C3%A9/s',
     locations.RbdLocation('f', 'p q', 'i\u00e9', 's')),
    (f'cinder://{VOLUME}', locations.CinderLocation(VOLUME)),
    (f'cinder://store/{VOLUME}', locations.CinderLocation(VOLUME)),
    (f'cinder://{VOLUME.upper()}', locations.CinderLocation(VOLUME)),
    ('http://example.org/image', None),
    ('file:///etc/passwd', None),
    ('', None),
])
def test_what_a_location_says(url, expected):
    assert locations.parse(url) == expected


@pytest.mark.parametrize('url', [
    'rbd://', 'rbd://f', 'rbd://f/p/i', 'rbd://f/p/i/s/', 'rbd://f/p//s',
    'rbd:////', 'rbd://f/p/i/%FF', 'rbd://f/p/a%2Fb/s', 'rbd://f/p/a%40b/s',
    'rbd://f/p/i%00/s', 'cinder://', 'cinder://store/', 'cinder://a/b/c',
    'cinder://store/not-an-id',
])
def test_what_says_nothing_that_can_be_used(url):
    parsed = locations.parse(url)
    assert isinstance(parsed, locations.Malformed)
    assert parsed.reason


@given(st.text())
def test_no_text_is_too_strange(text):
    for scheme in ('rbd://', 'cinder://', ''):
        locations.parse(scheme + text)


def test_doubled_and_missing_urls():
    assert locations.unique(['b', None, 'a', '', 'b', 'a']) == ('b', 'a')
