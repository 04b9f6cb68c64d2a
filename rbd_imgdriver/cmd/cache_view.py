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
"""The cache of a pool as records to print."""

from collections.abc import Iterator
from typing import Any

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import prefetch
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import output
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model

READY = 'ready'
PINNED = 'pinned'
HELD = 'held'
WANTED = 'wanted'
IMPORTING = 'importing'
REMAINS = 'remains'
RETIRED = 'retired'

STATES = {
    READY: 'volumes are cloned from it',
    PINNED: 'likewise, and it is not evicted',
    HELD: 'likewise, since it is marked (rbd_imgdriver_prefetch)',
    WANTED: 'it is marked and not there yet; REASON says why',
    IMPORTING: 'somebody is importing it now',
    REMAINS: 'its importer died; the sweep removes it',
    RETIRED: 'evicted; volumes still need it, the sweep frees it after them',
}

RESULTS = (
    output.Column('name'),
    output.Column('image_id'),
    output.Column('result'),
    output.Column('reason'),
)

COLUMNS = (
    output.Column('image_id'),
    output.Column('image_name'),
    output.Column('encrypted_for'),
    output.Column('size', output.size),
    output.Column('used', output.size),
    output.Column('children'),
    output.Column('created', output.moment),
    output.Column('last_used', output.moment),
    output.Column('state'),
    output.Column('progress'),
    output.Column('reason'),
)

DETAILS = (
    output.Column('name'),
    output.Column('image_id'),
    output.Column('image_name'),
    output.Column('identity'),
    output.Column('encrypted_for'),
    output.Column('cipher'),
    output.Column('state'),
    output.Column('size', output.size),
    output.Column('used', output.size),
    output.Column('created', output.moment),
    output.Column('last_used', output.moment),
    output.Column('children'),
    output.Column('volumes', ', '.join),
)


def listed(store: cache_store.Store) -> Iterator[dict[str, Any]]:
    """A record of each entry, import under way and retired entry."""
    for one in sorted(store.entries(),
                      key=lambda one: (one.image_name, one.name)):
        try:
            yield of_entry(store, one)
        except ceph_errors.ImageNotFound:
            continue  # evicted meanwhile
    yield from _partials(store)
    yield from _retired(store)


def wanted(prefetcher: prefetch.Prefetcher,
           catalogue: prefetch.Catalogue) -> Iterator[dict[str, Any]]:
    """A record of each image that is marked and not there yet.

    :raises rbd_imgdriver.errors.ServiceError: when Glance does not answer
    """
    found = prefetcher.plan(catalogue)
    for offer, reason in prefetch.described(found, prefetcher.paused()):
        yield {
            'name': offer.golden,
            'image_id': offer.image.id,
            'image_name': offer.image.name,
            'size': offer.disk,
            'state': WANTED,
            'reason': prefetch_plan.REASONS.get(reason, reason),
        }


def of_entry(store: cache_store.Store, one: entry.Entry) -> dict[str, Any]:
    """The record of one entry."""
    usage = store.pool.usage.of(one.name)
    return {
        'name': one.name,
        'image_id': one.image_id,
        'image_name': one.image_name,
        'identity': one.identity,
        'encrypted_for': one.encryption and one.encryption.project,
        'cipher': one.encryption and one.encryption.cipher,
        'state': PINNED if one.pinned else HELD if one.held else READY,
        'size': one.size,
        'used': usage.used,
        'created': one.created,
        'last_used': one.last_used,
        'children': len(usage.children),
        'volumes': [child.name for child in usage.children],
    }


def _partials(store: cache_store.Store) -> Iterator[dict[str, Any]]:
    for image in store.pool.directory.listed(names.PARTIAL + names.GOLDEN):
        golden = temporary.final_name(image.name)
        holder = store.pool.leases.holder(golden) or {}
        alive = holder.get('partial') == image.name
        yield {
            'name': image.name,
            'image_id': names.image_id_of(golden),
            'size': image.size,
            'state': IMPORTING if alive else REMAINS,
            'progress': image.metadata.get(model.PROGRESS_KEY),
            'host': holder.get('host') if alive else None,
        }


def _retired(store: cache_store.Store) -> Iterator[dict[str, Any]]:
    for image in store.pool.trash.entries():
        if not (image.name.startswith(names.GOLDEN)
                and store.is_own(image.id)):
            continue
        try:
            usage = store.pool.usage.of_trashed(image.id)
        except ceph_errors.ImageNotFound:
            continue  # freed meanwhile
        yield {
            'name': image.name,
            'image_id': names.image_id_of(image.name),
            'state': RETIRED,
            'size': usage.size,
            'used': usage.used,
            'children': len(usage.children),
            'volumes': [child.name for child in usage.children],
        }
