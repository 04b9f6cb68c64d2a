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
"""What ``caps`` makes of capabilities, as text."""

import json

import pytest

from rbd_imgdriver.cmd import capabilities

NEEDS = capabilities.Needs({'volumes'}, ['images'])
GOOD = {'mon': 'profile rbd',
        'mgr': 'profile rbd pool=volumes, profile rbd-read-only pool=images',
        'osd': 'profile rbd pool=volumes, profile rbd-read-only pool=images'}
KEYRING = '''\
exported keyring for client.cinder
[client.cinder]
\tkey = AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
\tcaps mgr = "profile rbd pool=volumes"
\tcaps mon = "profile rbd"
\tcaps osd = "profile rbd pool=volumes, profile rbd pool=vms"
[client.glance]
\tkey = AQBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB==
\tcaps osd = "allow rwx pool=images"
'''


def test_a_keyring_is_read():
    assert capabilities.parse(KEYRING) == {
        'client.cinder': {'mgr': 'profile rbd pool=volumes',
                          'mon': 'profile rbd',
                          'osd': 'profile rbd pool=volumes, '
                                 'profile rbd pool=vms'},
        'client.glance': {'osd': 'allow rwx pool=images'}}


@pytest.mark.parametrize('wrap', [lambda one: one, lambda one: [one]])
def test_json_is_read(wrap):
    printed = wrap({'entity': 'client.a', 'key': 'AQ', 'caps': GOOD})

    assert capabilities.parse(json.dumps(printed)) == {'client.a': GOOD}


@pytest.mark.parametrize('text', [
    '', 'Error ENOENT: failed to find client.a in keyring', '{', '[{}]',
    '{"entity": "client.a"}', '[{"entity": "a", "caps": []}]'])
def test_other_text_is_refused(text):
    with pytest.raises(capabilities.Unreadable):
        capabilities.parse(text)


def test_nothing_is_added_to_what_is_enough():
    assert capabilities.missing(GOOD, NEEDS) == {}
    assert capabilities.merged(GOOD, NEEDS) == GOOD


@pytest.mark.parametrize(('daemon', 'text'), [
    ('mon', 'allow *'),
    ('mon', 'allow profile rbd'),
    ('mon', 'allow r, profile rbd'),
    ('mon', 'profile  rbd network 10.0.0.0/8'),
    ('osd', 'allow *'),
    ('osd', 'allow rwx'),
    ('osd', 'profile rbd'),
    ('osd', 'profile rbd pool=volumes; profile rbd pool=images'),
    ('osd', 'profile rbd pool volumes,profile rbd-read-only pool images'),
    ('osd', 'allow profile rbd pool="volumes", profile rbd-read-only'
            " pool='images'"),
    ('mgr', 'profile rbd'),
])
def test_what_includes_the_needed_is_enough(daemon, text):
    assert capabilities.missing(GOOD | {daemon: text}, NEEDS) == {}


@pytest.mark.parametrize(('daemon', 'text', 'lacking'), [
    ('mon', 'allow r', ['profile rbd']),
    ('mon', 'allow command "osd blocklist, profile rbd"', ['profile rbd']),
    ('mon', '', ['profile rbd']),
    ('mon', 'profile rbd-mirror', ['profile rbd']),
    ('osd', 'profile rbd pool=vms, profile rbd-read-only pool=images',
     ['profile rbd pool=volumes']),
    ('osd', 'profile rbd pool=volumes', ['profile rbd-read-only pool=images']),
    ('osd', 'profile rbd-read-only', ['profile rbd pool=volumes']),
    ('osd', 'allow class-read object_prefix rbd_children, allow rwx '
     'pool=volumes, allow rx pool=images',
     ['profile rbd pool=volumes', 'profile rbd-read-only pool=images']),
    ('osd', 'profile rbd pool=volumes namespace=a, profile rbd pool=images',
     ['profile rbd pool=volumes']),
    ('mgr', '', ['profile rbd pool=volumes',
                 'profile rbd-read-only pool=images']),
])
def test_what_is_missing_is_added_behind_what_is_there(daemon, text, lacking):
    present = GOOD | {daemon: text}

    assert capabilities.missing(present, NEEDS) == {daemon: lacking}
    merged = capabilities.merged(present, NEEDS)
    assert merged == GOOD | {
        daemon: ', '.join([*([text] if text else []), *lacking])}
    # Once is enough.
    assert capabilities.merged(merged, NEEDS) == merged


def test_capabilities_of_other_daemons_are_kept():
    present = {'mds': 'allow rw', 'mon': 'allow r'}

    assert capabilities.merged(present, NEEDS)['mds'] == 'allow rw'


def test_an_image_in_a_pool_of_volumes_needs_no_more():
    needs = capabilities.Needs({'volumes', 'data'}, ['volumes'])

    assert needs.grants('osd') == ['profile rbd pool=data',
                                   'profile rbd pool=volumes']


def test_the_command_can_be_pasted():
    lines = capabilities.command('client.a', {
        'mon': 'profile rbd', 'osd': "allow rw pool='a b'"})

    assert lines == ['ceph auth caps client.a \\',
                     "    mon 'profile rbd' \\",
                     """    osd 'allow rw pool='"'"'a b'"'"''"""]
