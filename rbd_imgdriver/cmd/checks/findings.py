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
"""What can be found, how bad it is, and what to do about it.

The documentation prints this table.
"""

import dataclasses

from rbd_imgdriver.cmd.checks import ceph_kinds
from rbd_imgdriver.cmd.checks import kinds

Severity = kinds.Severity
Kind = kinds.Kind


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that was found.

    :param code: one of :data:`KINDS`
    :param subject: what it is about: a backend, a pool, an option
    :param detail: what was seen
    """

    code: str
    subject: str
    detail: str

    @property
    def kind(self) -> Kind:
        """What is known of findings of this code."""
        return KINDS[self.code]


_OK, _INFO, _WARNING, _ERROR = Severity

KINDS = {
    **ceph_kinds.KINDS,
    # Glance
    'glance': Kind(_OK, 'Glance answers to the service credentials.'),
    'glance-unreachable': Kind(
        _ERROR, 'Glance does not answer to the service credentials: the '
        'cache cannot be swept, and locations cannot be read.',
        'Give the [glance] section of cinder.conf auth_type, auth_url, '
        'username, password and domains of a user with the roles admin and '
        'service; and set glance_api_servers.'),
    'locations-forbidden': Kind(
        _WARNING, "Glance's locations API refuses the service user.",
        'Give that user the role service in its project.'),
    'locations-settable': Kind(
        _ERROR, 'Glance runs with show_multiple_locations: members of '
        'projects can set locations, and so read and delete images and '
        'volumes of other tenants.',
        'Set show_multiple_locations = False in glance-api.conf. Cinder '
        'learns locations with the [glance] credentials, and with older '
        'releases by show_image_direct_url = True.'),
    'images-hidden': Kind(
        _WARNING, 'Glance hides images of other projects from the service '
        'user: the sweep cannot tell which are gone, and drops none.',
        'Give that user the role admin in its project.'),
    'locations-hidden': Kind(
        _WARNING, 'Glance shows no location of any image that was looked '
        'at: nothing can be cloned from Glance.',
        'See "no-location" in the table of declined codes.'),
    'glance-elsewhere': Kind(
        _WARNING, 'Raw images are in another Ceph cluster.',
        'Add a Glance store on this cluster and copy images to it '
        '(import method copy-image).'),
    'glance-clone': Kind(_OK, "Glance's images can be cloned."),
    'glance-clone-failed': Kind(
        _ERROR, 'An image of Glance cannot be cloned into the pool.',
        "Give the cephx user 'profile rbd-read-only pool=<images pool>' on "
        'the OSDs.'),
    'glance-clone-untested': Kind(
        _INFO, 'Glance has no raw image in this cluster to try a clone '
        'with.', 'Upload one and run this again.'),
    'no-hash': Kind(
        _WARNING, 'Images have neither os_hash_value nor checksum: a renamed '
        'image counts as another one to the cache, and imports cannot be '
        'checked.', 'Upload them again; see hashing_algorithm of Glance, and '
        'do_secure_hash for images added by location.'),
    # Options
    'unknown-option': Kind(
        _WARNING, "An option in the backend's section belongs neither to "
        'this driver nor to Cinder; it is ignored.', 'Correct its name.'),
    'no-import': Kind(
        _WARNING, 'import is not the last strategy: what no other can serve '
        'is downloaded by Cinder to a temporary file, every time.',
        'Add import at the end of rbd_imgdriver_strategies.'),
    'cache-off': Kind(
        _WARNING, 'The cache is off: images that cannot be cloned are '
        'imported for each volume.',
        "Set image_volume_cache_enabled = true in the backend's section."),
    'cached-clone-missing': Kind(
        _WARNING, 'The cache is on, but cached-clone is not among the '
        'strategies: every create from a cached image asks for the import.',
        'Add cached-clone before import in rbd_imgdriver_strategies.'),
    'cache-unlimited': Kind(
        _INFO, 'The cache has no limit but the pool.',
        'Set image_volume_cache_max_size_gb or image_volume_cache_max_count.'
        ),
    'cache-limits-differ': Kind(
        _WARNING, 'Backends that share a pool, and so its cache, have '
        'different limits for it.', 'Give them the same limits.'),
    'cinder-scheme-missing': Kind(
        _INFO, 'cinder-clone is wanted but cinder:// locations are not '
        'allowed.', 'Add cinder to allowed_direct_url_schemes, or take '
        'cinder-clone out of rbd_imgdriver_strategies.'),
    'image-volumes-of-tenants': Kind(
        _INFO, 'Volumes that are uploaded to images stay volumes of their '
        'tenant, who can change them: other tenants are given no clone of '
        'them unless the image is public, but an import.',
        'Set image_upload_use_internal_tenant = true, '
        'cinder_internal_tenant_project_id and '
        'cinder_internal_tenant_user_id.'),
    'depth-differs': Kind(
        _WARNING, 'Backends that share a pool, and so chains of clones, have '
        'different limits for these.',
        'Give them the same rbd_max_clone_depth.'),
    'pool-shared-with-intree': Kind(
        _WARNING, "A backend of this driver and one of Cinder's own share a "
        'pool: the other one flattens and deletes what this one protects.',
        'Change volume_driver of both, or give each a pool.'),
    'option-invalid': Kind(
        _ERROR, 'An option of cinder.conf has a value that it cannot have: '
        'cinder-volume does not start.', 'Correct it.'),
    'secret-malformed': Kind(
        _ERROR, 'rbd_secret_uuid is not a UUID: libvirt has no such secret, '
        'and servers cannot attach volumes.',
        "Set it to what 'virsh secret-list' shows on the compute hosts."),
    'encrypted-clones': Kind(
        _OK, 'Encrypted volumes of one project and image are clones, and '
        'nothing is downloaded for them.'),
    'encrypted-downloads': Kind(
        _INFO, 'Encrypted volumes of one project and image are clones, but '
        'Cinder downloads the image for each of them.',
        'Set volume_manager = rbd_imgdriver.manager.VolumeManager in '
        '[DEFAULT], if there are encrypted volumes.'),
    'encrypted-imports': Kind(
        _INFO, 'Each encrypted volume of an image is encrypted by itself, '
        'none is a clone.',
        'If that is not intended, change the option.'),
    'always-copies': Kind(
        _WARNING, 'rbd_max_clone_depth is 0 or less: volumes are full '
        "copies, but for clones of Glance's own snapshots.",
        'Set it to 5, the default, unless that is intended.'),
    'flatten-from-snapshot': Kind(
        _INFO, 'rbd_flatten_volume_from_snapshot is set: volumes from '
        'snapshots are full copies.',
        'Leave it out; chains are kept short by rbd_max_clone_depth.'),
    'no-timeout': Kind(
        _INFO, 'rados_connect_timeout is not set: calls to a cluster that '
        'does not answer wait for ever.',
        'Set it to about 30 seconds, unless waiting is intended.'),
    'no-secret': Kind(
        _INFO, 'rbd_secret_uuid is not set: Nova uses its own.',
        'Set it to the secret of libvirt if Nova has none of its own.'),
    'coordination-local': Kind(
        _ERROR, 'Cinder runs active/active (cluster is set), and its '
        'coordination backend is on this host only.',
        'Set [coordination] backend_url to etcd3+http, redis or another '
        'driver of tooz that all hosts share.'),
    'coordination-unreachable': Kind(
        _ERROR, 'The coordination backend does not answer: cinder-volume '
        'does not start, or waits for locks for ever.',
        'Look at the service that [coordination] backend_url names, and at '
        'the network to it.'),
    'notifications-unreachable': Kind(
        _WARNING, "Glance's notifications cannot be read: marked images are "
        'fetched when Glance is asked next, not at once.',
        'Look at the message bus that rbd_imgdriver_prefetch_transport_url '
        'names, and at the network to it.'),
    'metrics-port-twice': Kind(
        _ERROR, 'Backends have the same port for their metrics: only the '
        'first to start has any.',
        'Give each backend a rbd_imgdriver_metrics_port of its own.'),
    'metrics-port-taken': Kind(
        _WARNING, 'Another program has the port of the metrics.',
        'Set rbd_imgdriver_metrics_port to one that is free.'),
    'metrics-public': Kind(
        _WARNING, 'Anybody who can reach this host can read the metrics.',
        'Set rbd_imgdriver_metrics_address to that of the network of '
        'Prometheus.'),
    'database': Kind(_OK, "Cinder's database answers."),
    'unanswered': Kind(
        _WARNING, 'A check did not end in time; what it would have found is '
        'not known.', 'Run this again, with a longer --timeout.'),
    'host-busy': Kind(
        _INFO, "Loading Cinder's modules took most of the time that the "
        'command has: what did not answer may only be late.',
        'Run this again, with a longer --timeout.'),
    'check-failed': Kind(
        _ERROR, 'A check failed with an unexpected error.',
        'Run this with --verbose, and report a bug.'),
    'database-unreachable': Kind(
        _WARNING, "Cinder's database cannot be read here: what deleted "
        'volumes left cannot be distinguished from what volumes need.',
        'Run this where [database] connection of cinder.conf works.'),
    # This host
    'conversion-dir': Kind(_OK, 'The conversion directory can be used.'),
    'conversion-dir-unusable': Kind(
        _ERROR, 'The conversion directory does not exist or cannot be '
        'written.', 'Create it, and give it to the user of cinder-volume.'),
    'lock-path-unusable': Kind(
        _ERROR, 'lock_path of [oslo_concurrency], or a lock in it, cannot be '
        'written: no image that needs a temporary file can be imported.',
        'Give it to the user of cinder-volume (chown -R), or remove the '
        'locks while no service runs.'),
    'conversion-dir-small': Kind(
        _WARNING, 'The conversion directory has less free space than the '
        'largest image that needs it.', 'Enlarge its file system, or keep '
        'images in an RBD store of this cluster: those need none.'),
    'conversion-dir-memory': Kind(
        _WARNING, 'The conversion directory is in memory.',
        'Set image_conversion_dir to a directory on a disk.'),
    'qemu': Kind(_OK, 'qemu-img can do what is needed.'),
    'qemu-unusable': Kind(
        _ERROR, 'qemu-img is missing or cannot write RBD images.',
        'Install qemu-utils and the block driver for RBD '
        '(qemu-block-extra, qemu-img with qemu-block-rbd).'),
    'keyring-missing': Kind(
        _INFO, "os-brick finds no keyring where it looks: encrypted volumes "
        'and backups cannot be attached to this host.',
        'Link it as /etc/ceph/<cluster>.client.<user>.keyring.'),
    'cryptsetup-missing': Kind(
        _WARNING, 'cryptsetup is not installed: no encrypted volume is a '
        'clone.', 'Install it (cryptsetup-bin in Debian).'),
    'converter': Kind(_OK, 'qemu-img runs in a sandbox.'),
    'converter-unconfined': Kind(
        _ERROR, 'qemu-img cannot be run in a sandbox, so only raw images are '
        'imported.',
        'Install bubblewrap, qemu-utils and util-linux, and let users without '
        'privileges make user namespaces; see "Where qemu-img runs" in the '
        'documentation about security.'),
    'converter-user-shared': Kind(
        _WARNING, 'As root, cinder-volume runs qemu-img as a user that other '
        'programs use as well.',
        'Make a user for it and name it in rbd_imgdriver_converter_user.'),
    'converter-user-root': Kind(
        _ERROR, 'rbd_imgdriver_converter_user is root: qemu-img would read '
        "tenants' images with all privileges.",
        'Name a user without privileges.'),
    'converter-user-missing': Kind(
        _ERROR, 'The user that qemu-img is to run as does not exist.',
        'Correct rbd_imgdriver_converter_user.'),
}
