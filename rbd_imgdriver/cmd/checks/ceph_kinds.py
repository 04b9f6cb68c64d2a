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
"""What can be found about Ceph."""

from rbd_imgdriver.cmd.checks import kinds

Kind = kinds.Kind
_OK, _INFO, _WARNING, _ERROR = kinds.Severity

KINDS = {
    'cluster': Kind(_OK, 'The cluster answers.'),
    'cluster-unreachable': Kind(
        _ERROR, 'The cluster does not answer.',
        "Compare rbd_ceph_conf, rbd_user and the keyring with what 'ceph -s "
        "--id <user>' needs; look at the network to the monitors."),
    'osds-unreachable': Kind(
        _ERROR, 'The monitors answer, and the OSDs of the pool do not: every '
        'create, attach and deletion hangs or times out.',
        "See 'ceph health detail' and the network to the OSDs."),
    'healthy': Kind(_OK, 'Ceph has nothing to report.'),
    'health': Kind(
        _INFO, 'Ceph reports something that does not stop creates.',
        "See 'ceph health detail'."),
    'manager-down': Kind(
        _WARNING, 'No manager of Ceph is active: volumes work, but what '
        'Cinder knows of free space is no longer updated, and no trash is '
        'purged on schedule.', 'Start a ceph-mgr.'),
    'monitor-down': Kind(
        _WARNING, 'A monitor is down: creates work as long as the majority '
        'of the monitors do.', "See 'ceph health detail'."),
    'osd-down': Kind(
        _WARNING, 'OSDs are down: creates work, with fewer copies, as long '
        'as Ceph does not report data as unavailable.',
        "See 'ceph osd tree' and 'ceph health detail'."),
    'data-unavailable': Kind(
        _ERROR, 'Placement groups are not available: creates and reads that '
        'need them hang until they are.', "See 'ceph health detail'."),
    'slow-operations': Kind(
        _WARNING, 'OSDs or monitors are slow: creates take longer, and may '
        'time out.', "See 'ceph health detail'."),
    'cluster-full': Kind(
        _ERROR, 'OSDs or pools are full: creates fail, and so may deletions, '
        'and imports hang.',
        'Add OSDs, or raise the quota (ceph osd pool set-quota). To be able '
        'to delete at all, raise full_ratio a little (ceph osd '
        'set-full-ratio 0.97) for that time.'),
    'cluster-nearly-full': Kind(
        _WARNING, 'OSDs or pools are nearly full: imports will fail soon; '
        'clones cost nothing until they are written to.',
        'Add OSDs; or rbd-imgdriver-manage cache prune, leaks list.'),
    'key-too-new': Kind(
        _ERROR, "The user's key is of the type aes256k, which this host's "
        'librados cannot read.',
        'Upgrade python3-rados, python3-rbd and librbd1 to Ceph 20.2.4 or '
        "19.2.6; or 'ceph mon set auth_allowed_ciphers aes,aes256k', 'ceph "
        "config set mon mon_auth_allow_insecure_key true' and 'ceph auth "
        "rotate client.NAME --key_type aes'."),
    'pool-missing': Kind(
        _ERROR, 'The pool does not exist.',
        'Make it (ceph osd pool create, rbd pool init), or correct '
        'rbd_pool, which names a pool without an RBD namespace.'),
    'probe': Kind(_OK, 'Images can be made, cloned and removed.'),
    'probe-failed': Kind(
        _ERROR, 'Making, cloning or removing a probe image failed.',
        "Give the cephx user 'profile rbd' on monitors and manager and "
        "'profile rbd pool=<pool>' on the OSDs: rbd-imgdriver-manage caps "
        'prints the command.'),
    'pool-forbidden': Kind(
        _ERROR, 'The cephx user may not read the pool.',
        "Give it 'profile rbd pool=<pool>' on the OSDs: "
        'rbd-imgdriver-manage caps prints the command.'),
    'monitor-caps': Kind(
        _WARNING, 'The cephx user may not blocklist a client: a lock of a '
        'client that died cannot be broken, and the volume cannot be opened '
        'for writing.',
        "Give it 'profile rbd' on the monitors instead of 'allow r': "
        'rbd-imgdriver-manage caps prints the command.'),
    'manager-caps': Kind(
        _WARNING, 'The cephx user may ask the manager nothing.',
        "Give it 'profile rbd pool=<pool>' on the managers: "
        'rbd-imgdriver-manage caps prints the command.'),
    'clone-format-set': Kind(
        _WARNING, 'Clones are of format 1 because rbd_default_clone_format '
        'says so: listing the children of a parent is slow, and a removed '
        'parent is not freed with its last child.',
        'Take rbd_default_clone_format out of ceph.conf and of "ceph config '
        'dump".'),
    'features-missing': Kind(
        _WARNING, 'New images do not have all features that the driver uses: '
        'without exclusive-lock several clients may write to one, without '
        'object-map a copy or a deletion looks at every object.',
        'Take rbd_default_features out of ceph.conf and of "ceph config '
        'dump": the default is 61.'),
    'clone-format-1': Kind(
        _WARNING, 'Clones are of format 1: listing the children of a parent '
        'is slow, and a removed parent is not freed with its last child.',
        'ceph osd set-require-min-compat-client mimic'),
    'caps-wide': Kind(
        _WARNING, 'The cephx user may administer the cluster.',
        "Give it no more than 'profile rbd' on the monitors and on its own "
        'pool; see the documentation about the installation.'),
    'pool-full': Kind(
        _ERROR, 'The pool is full: creates fail, and imports hang.',
        'Add capacity, or raise its quota (ceph osd pool set-quota); or '
        'rbd-imgdriver-manage cache prune, leaks list.'),
    'pool-nearly-full': Kind(
        _WARNING, 'The pool is nearly full.',
        'Add capacity; or rbd-imgdriver-manage cache prune, leaks list.'),
    'single-copy': Kind(
        _WARNING, 'The pool keeps a single copy of each object: a golden '
        'image that is lost damages every volume cloned from it.',
        'ceph osd pool set <pool> size 3'),
    'no-application': Kind(
        _WARNING, 'The pool is not marked as a pool of RBD.',
        'rbd pool init <pool>'),
    'data-pool-missing': Kind(
        _ERROR, 'rbd_default_data_pool names a pool that does not exist.',
        'Correct it in ceph.conf or with rbd config pool set.'),
    'data-pool': Kind(_INFO, "New images keep their data in another pool.",
                      'Give the cephx user rights on that pool, too.'),
    'autoscaler-off': Kind(
        _INFO, 'The number of placement groups is not scaled by Ceph.',
        'Make sure that it suits the size of the pool.'),
    'many-snapshots': Kind(
        _WARNING, 'Images have nearly as many snapshots as the kernel client '
        'can open (510).',
        'rbd-imgdriver-manage leaks list shows those that nothing needs.'),
    'too-many-snapshots': Kind(
        _ERROR, 'Images have more snapshots than the kernel client can open '
        '(510).',
        'rbd-imgdriver-manage leaks repair removes those that nothing '
        'needs.'),
    'leftovers': Kind(
        _WARNING, 'Deleted volumes or dead importers have left something.',
        'rbd-imgdriver-manage cache sweep; leaks list.'),
    'trash': Kind(
        _INFO, 'Images are in the trash: of deleted volumes and evicted '
        'entries whose clones live on.',
        'Nothing: what is ours is freed with the last clone.'),
    'trash-schedule': Kind(
        _INFO, 'Ceph purges the trash of the pool by itself.',
        'Nothing: what still has clones stays, and so does what Cinder has '
        'deferred (deferred_deletion_delay).'),
}
