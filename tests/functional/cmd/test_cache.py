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
"""``rbd-imgdriver-manage cache`` on a real cluster."""

import json
import subprocess
import sys
import time

import pytest
import rbd

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.importer import temporary

DATA = b'\x00\x01data' * 500_000


def one(listed: list[dict], **facts) -> dict:
    found = [record for record in listed
             if all(record.get(key) == value for key, value in facts.items())]
    assert len(found) == 1, listed
    return found[0]


def test_an_empty_cache_is_an_empty_list(manage):
    assert manage.json('cache', 'list') == []


def test_prefetch_imports_what_a_create_will_find(manage, glance, pool):
    id_ = glance.add(DATA, name='cirros')

    first = manage.json('cache', 'prefetch', id_)
    second = manage.json('cache', 'prefetch', 'cirros')

    assert first[0]['result'] == 'imported'
    assert first[0]['bytes_moved'] == len(DATA)
    assert second[0]['result'] == 'present'
    entry = one(manage.json('cache', 'list'), image_id=id_)
    assert entry['image_name'] == 'cirros'
    assert entry['state'] == 'ready'
    assert entry['size'] == 2**30
    assert entry['children'] == 0
    assert entry['used'] >= len(DATA)
    assert manage.json('cache', 'check', '--deep') == []


def test_prefetch_of_bad_data_leaves_nothing(manage, glance, contents):
    id_ = glance.add(DATA)
    glance.put_data(id_, b'x' + DATA[1:])

    result = manage.json('cache', 'prefetch', id_, code=1)

    assert result[0]['result'] == 'failed'
    assert result[0]['code'] == 'image-damaged'
    assert contents() == ([], [])


def test_prefetch_names_what_glance_does_not_have(manage):
    done = manage.run('cache', 'prefetch', 'nonesuch')

    assert done.returncode == 4
    assert 'no image nonesuch' in done.stderr


def test_show_tells_who_depends_on_an_entry(manage, golden, clone_of):
    name = golden(DATA, name='ubuntu')
    clone_of(name, 'volume-1')

    shown = manage.json('cache', 'show', 'ubuntu')

    assert shown == manage.json('cache', 'show', shown['image_id'])
    assert shown['name'] == name
    assert shown['volumes'] == ['volumes/volume-1']
    assert shown['identity'].startswith('sha512:')
    assert 'volumes/volume-1' in manage.run('cache', 'show', name).stdout


def test_golden_ciphertexts_say_whose_they_are(manage, golden, pool):
    plain, encrypted = golden(DATA), golden(b'x' + DATA)
    pool.headers.update(encrypted, ciphertext.metadata(ciphertext.Kind(
        'project-1', '', ('aes-256', 'xts', 'plain64'), 22), 'fingerprint'))

    listed = {record['name']: record['encrypted_for']
              for record in manage.json('cache', 'list')}
    shown = manage.json('cache', 'show', encrypted)

    assert listed == {plain: None, encrypted: 'project-1'}
    assert shown['cipher'] == 'aes-256-xts-plain64'


def test_pinned_entries_are_not_evicted(manage, golden, pool):
    name = golden(DATA)
    assert manage.run('cache', 'pin', name).returncode == 0
    assert manage.json('cache', 'list')[0]['state'] == 'pinned'

    refused = manage.run('cache', 'evict', name)

    assert refused.returncode == 1
    assert 'pinned' in refused.stderr
    assert pool.directory.exists(name)
    assert manage.json('cache', 'prune') == []
    assert manage.run('cache', 'unpin', name).returncode == 0
    assert manage.run('cache', 'evict', name).returncode == 0
    assert not pool.directory.exists(name)


def test_evict_leaves_volumes_what_they_have(manage, golden, clone_of, admin,
                                             pool, contents):
    name = golden(DATA)
    clone_of(name, 'volume-1')

    manage.json('cache', 'evict', name)

    record = one(manage.json('cache', 'list'), name=name)
    assert record['state'] == 'retired'
    assert record['children'] == 1
    assert _read(admin, 'volume-1', len(DATA)) == DATA
    swept = one(manage.json('cache', 'sweep'), name=name)
    assert swept['result'] == 'kept'

    pool.images.remove('volume-1')
    assert one(manage.json('cache', 'sweep', '--dry-run'), name=name)[
        'result'] == 'would be freed'
    assert contents() == ([], [name])
    assert one(manage.json('cache', 'sweep'), name=name)['result'] == 'freed'
    assert contents() == ([], [])


def test_evict_dry_run_and_unknown_entries_do_nothing(manage, golden, pool):
    name = golden(DATA)

    would = manage.json('cache', 'evict', name, '--dry-run')
    missing = manage.run('cache', 'evict', name, 'nonesuch')

    assert would[0]['result'] == 'would be evicted'
    assert missing.returncode == 4
    assert 'no entry nonesuch' in missing.stderr
    assert pool.directory.exists(name)


def test_prune_takes_what_no_volume_needs(manage, golden, clone_of, pool):
    week = 7 * 86400
    old_used = golden(b'a' * 1000, at=time.time() - week)
    old = golden(b'b' * 1000, at=time.time() - week)
    new = golden(b'c' * 1000)
    clone_of(old_used, 'volume-1')

    would = manage.json('cache', 'prune', '--older-than', '1d', '--dry-run')
    assert [record['name'] for record in would] == [old]
    assert pool.directory.exists(old)

    manage.json('cache', 'prune', '--older-than', '1d')
    assert not pool.directory.exists(old)
    assert pool.directory.exists(new)

    manage.json('cache', 'prune')
    assert not pool.directory.exists(new)
    assert pool.directory.exists(old_used)


def test_check_finds_each_kind_of_damage_and_repairs_it(
        manage, golden, pool, glance, contents, admin):
    whole = golden(b'whole' * 1000)
    bad = golden(DATA, holds=b'bad')
    bare = golden(b'bare' * 1000)
    pool.snapshots.remove(bare, names.SNAPSHOT)
    foreign = 'image-cache-made-by-hand'
    pool.images.create(foreign, 2**20, 20)
    moved = golden(b'moved' * 1000)
    pool.images.rename(moved, moved[:-1] + 'x')
    gone = golden(b'gone' * 1000)
    glance.delete(names.image_id_of(gone))
    remains = temporary.new_name(names.GOLDEN + 'dead-0')
    pool.images.create(remains, 2**20, 20, id_key=temporary.MARK)
    strange = '.partial-restore-of-db'
    pool.images.create(strange, 2**20, 20)

    shallow = manage.json('cache', 'check', code=7)
    found = manage.json('cache', 'check', '--deep', code=7)

    expected = {bad: 'data-differs', bare: 'no-snapshot',
                foreign: 'no-facts', moved[:-1] + 'x': 'wrong-name',
                gone: 'not-in-glance', remains: 'remains',
                strange: 'unmarked'}
    assert {each['name']: each['code'] for each in found} == expected
    del expected[bad]
    assert {each['name']: each['code'] for each in shallow} == expected
    assert not any(each['repaired'] for each in found)

    repaired = manage.json('cache', 'check', '--deep', '--repair', code=6)

    assert {each['name'] for each in repaired if not each['repaired']} == {
        foreign, strange}
    assert {each['name'] for each in manage.json(
        'cache', 'check', '--deep', code=6)} == {foreign, strange}
    assert contents() == (sorted([whole, foreign, strange]), [])


def test_check_without_damage_only_warns(manage, pool):
    pool.images.create(temporary.new_name(names.GOLDEN + 'dead-0'), 2**20, 20,
                id_key=temporary.MARK)

    assert manage.run('cache', 'check').returncode == 6


def test_an_import_under_way_is_listed_and_left_alone(manage, pool):
    golden_name = f'{names.GOLDEN}id-0123456789ab'
    partial = temporary.new_name(golden_name)
    lease = leases.Lease(golden_name, 'cookie', 60)
    assert pool.leases.acquire(lease, {'host': 'node7', 'partial': partial})
    pool.images.create(partial, 2**20, 20)
    try:
        record = one(manage.json('cache', 'list'), name=partial)
        assert record['state'] == 'importing'
        assert record['host'] == 'node7'
        assert manage.json('cache', 'sweep') == []
    finally:
        pool.leases.release(lease)
    assert one(manage.json('cache', 'list'), name=partial)[
        'state'] == 'remains'


@pytest.mark.parametrize('words', [('check',), ('sweep',)])
def test_without_glance_nothing_is_dropped(manage, golden, glance, pool,
                                           words):
    name = golden(DATA)
    glance.fail()

    done = manage.run('cache', *words)

    assert done.returncode == 1
    assert 'Glance does not answer' in done.stderr
    assert pool.directory.exists(name)


@pytest.mark.parametrize('words', [('check',), ('sweep',)])
def test_a_user_from_whom_glance_hides_images_drops_nothing(
        manage, golden, glance, pool, words):
    name = golden(DATA)
    glance.hide()

    done = manage.run('cache', *words)

    assert done.returncode == 1
    assert 'give that user the role admin' in done.stderr
    assert pool.directory.exists(name)


def test_the_cache_must_be_on_to_prefetch(manage, glance):
    manage.conf.write_text(manage.conf.read_text().replace(
        'image_volume_cache_enabled = true', ''))

    done = manage.run('cache', 'prefetch', glance.add(DATA))

    assert done.returncode == 3
    assert 'image_volume_cache_enabled' in done.stderr


@pytest.mark.parametrize(('words', 'message'), [
    (('--backend', 'theirs'), 'backend theirs is not in enabled_backends'),
    (('--config-file', '/nonexistent'), 'there is no /nonexistent'),
])
def test_a_configuration_that_does_not_fit(manage, words, message):
    done = manage.run('cache', 'list', *words)

    assert done.returncode == 3
    assert message in done.stderr


def test_tables_are_for_people(manage, golden):
    golden(DATA, name='Debian 13')

    lines = manage.run('cache', 'list').stdout.splitlines()

    assert [one.strip() for one in lines[1].split('|')][1:5] == [
        'Image ID', 'Image Name', 'Encrypted For', 'Size']
    assert 'Debian 13' in lines[3]
    assert '1 GiB' in lines[3]


def test_an_entry_by_the_name_of_its_image(manage, golden, store):
    name = golden(DATA, name='Debian 13')
    golden(DATA + b'!', name='Cirros')
    golden(DATA + b'?', name='Cirros')

    assert manage.json('cache', 'show', 'Debian 13')['name'] == name
    assert manage.json('cache', 'pin', 'Debian 13')[0]['name'] == name
    refused = manage.run('cache', 'evict', 'Cirros')

    assert refused.returncode == 2
    assert 'several images' in refused.stderr
    assert len(store.entries()) == 3


def test_options_before_the_noun(manage):
    done = subprocess.run(
        [sys.executable, '-m', 'rbd_imgdriver.cmd.manage', '--config-file',
         str(manage.conf), '--backend', 'ours', 'cache', 'list', '-f', 'json'],
        capture_output=True, text=True, timeout=120)

    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def _read(admin, image: str, length: int) -> bytes:

    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, image, read_only=True) as opened:
        return opened.read(0, length)
