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
"""What the codes in logs and metadata mean, and what to do about each.

The documentation prints these tables, so that both say the same.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Advice:
    """About one code.

    :param meaning: why a strategy declined, or a create failed
    :param remedy: what makes it work, or faster
    """

    meaning: str
    remedy: str


# Why a strategy declined: the next one was tried.
DECLINED = {
    'not-raw': Advice(
        'The image is in a format that cannot be cloned, such as qcow2.',
        'Nothing is needed: with the cache on, the first create converts it '
        'and the next ones are clones. To clone at once, upload the image '
        'as raw, or let Glance convert it (its image_conversion import '
        'plugin).'),
    'no-location': Advice(
        'Glance does not report where it keeps the image, or it is in no '
        'store that can be cloned.',
        'Set enabled_backends of Glance to an RBD store of this cluster and '
        'give Cinder a [glance] section with service credentials, whose '
        'role "service" the locations API asks for; with older releases of '
        'Glance or Cinder, show_image_direct_url = True in Glance. Never '
        'show_multiple_locations, which lets tenants set locations. '
        '"rbd-imgdriver-manage doctor" says which of them is missing.'),
    'malformed-location': Advice(
        'A location of the image is not one that a store of Glance writes.',
        'Find out who set it; remove it from the image.'),
    'wrong-cluster': Advice(
        'The image, or the volume that backs it, is in another Ceph cluster '
        'or in a pool that Cinder may not read.',
        'Copy the image to the store of this cluster (Glance: "import" with '
        'method copy-image); for another pool of this cluster give the '
        'cephx user "profile rbd-read-only" on it.'),
    'not-the-image': Advice(
        'What the location names is not marked as this image: the RBD image '
        "is not called by the image's id, or the Cinder volume is not marked "
        'with it. It may hold the data of another tenant.',
        'Find out who set the location, and set show_multiple_locations = '
        'False in Glance if that was a tenant. Images that Glance, Nova or '
        'Cinder have stored themselves are marked; store the image again '
        'through Glance.'),
    'pool-of-volumes': Advice(
        'The location names an image in a pool of Cinder.',
        'Find out who set the location, and set show_multiple_locations = '
        'False in Glance if that was a tenant. If Glance keeps its images in '
        'the pool of a Cinder backend, give it one of its own.'),
    'not-allowed': Advice(
        'cinder:// locations are not allowed.',
        'Add cinder to allowed_direct_url_schemes in the section [DEFAULT] '
        'of cinder.conf.'),
    'no-volume': Advice(
        'Cinder does not have the volume of the location.',
        'It was deleted without Glance. Upload the image again.'),
    'not-owner': Advice(
        "The volume that is said to back the image is not the image owner's, "
        'or is in a project of the services and not marked with that owner.',
        "Let Glance's Cinder store keep its volumes in the project of the "
        '[glance] section of cinder.conf (cinder_store_project_name), or let '
        "Cinder upload to its internal tenant. If a tenant's volume is "
        'named, find out who set the location.'),
    'writable': Advice(
        'The volume that backs the image can be attached for writing.',
        'Glance and Cinder make such volumes read-only; find out who changed '
        'that. Upload the image again.'),
    'volume-of-tenant': Advice(
        "The volume that backs another tenant's image is that tenant's own, "
        'who can change it: the data is imported, and its hash checked.',
        'Set image_upload_use_internal_tenant in the backend\'s section of '
        'cinder.conf, or give Glance\'s Cinder store service credentials '
        '(cinder_store_user_name and what belongs to it). Images that an '
        'administrator has made public are cloned.'),
    'signature-unverified': Advice(
        'The image is signed and verify_glance_signatures is set, but the '
        'signature of this data was not verified yet.',
        'Nothing is needed: the import verifies it and, with the cache on, '
        'records that, so that the next creates are clones.'),
    'encrypted': Advice(
        'The volume that backs the image is encrypted.',
        'None: the data has to be decrypted, which the import does.'),
    'cache-off': Advice(
        'The image-volume cache is not enabled.',
        "Set image_volume_cache_enabled = true in the backend's section."),
    'not-cached': Advice(
        'The image is not in the cache yet.',
        'Nothing is needed: this create puts it there. To have it there '
        'before, "rbd-imgdriver-manage cache prefetch".'),
    'cache-full': Advice(
        'The image does not fit into the cache, or only pinned entries '
        'could make room.',
        'Raise image_volume_cache_max_size_gb or image_volume_cache_max_count'
        ', or unpin entries.'),
    'name-taken': Advice(
        'Another image than one of the cache has the name of the entry.',
        'See "rbd-imgdriver-manage cache check"; rename or remove that image '
        'if nothing needs it.'),
    'clones-off': Advice(
        'The operator wants no clones for encrypted volumes.',
        'Set rbd_imgdriver_encrypted_clones.'),
    'no-clones': Advice(
        'The operator wants no clones for volumes.',
        'Set rbd_max_clone_depth to 1 or more.'),
    'mirrored': Advice(
        'Volumes of this type are mirrored, and RBD refuses to mirror a '
        'clone of what is not.',
        'None: each such volume is a full copy.'),
    'no-key': Advice(
        'There are volumes with the same encrypted data, but the key manager '
        'gives this request the key of none of them.',
        "Look at the log for the key manager's reason. With Barbican, let "
        'all users of a project read its secrets, which is the default.'),
    'no-header': Advice(
        'cryptsetup makes no header with the master key of another volume: it '
        'is missing, or it does not know the cipher when it is not root.',
        'Install cryptsetup, or use an AES cipher in the volume type.'),
    'no-sibling': Advice(
        'The last volume of the encrypted data was deleted meanwhile.',
        'Nothing: the next create makes such data again.'),
    'no-room-for-header': Advice(
        "The image's disk fills the volume, so that the encrypted disk and "
        'its header do not fit; zeros at its end may have to go.',
        'Ask for a volume that is 1 GiB larger, or make the disk smaller.'),
    'image-not-found': Advice(
        'The RBD image of the location does not exist.',
        'Glance has lost it, or it was moved. Upload the image again.'),
    'snapshot-not-found': Advice(
        'The RBD image does not have the snapshot of the location.',
        "Glance's RBD store makes it: somebody removed it. Make and protect "
        'it again: rbd snap create, rbd snap protect.'),
    'pool-not-found': Advice(
        'The pool of the location does not exist.',
        'The image was stored in a pool that is gone. Upload it again.'),
    'no-permission': Advice(
        'The cephx user of Cinder may not read or clone the image.',
        'Give it "profile rbd-read-only pool=<images pool>" on the OSDs.'),
    'invalid-argument': Advice(
        'Ceph refuses the clone: with clone format 1 the snapshot is not '
        'protected, or the image has unusual features.',
        'Set require-min-compat-client of the cluster to mimic or later, or '
        'protect the snapshot.'),
    'unsupported': Advice(
        'The image is in a format or has features that Ceph cannot clone.',
        'Upload the image again through a current Glance.'),
    'image-busy': Advice(
        'Somebody else changes the image at this moment.',
        'Nothing, unless it happens again and again: "rbd status" shows who '
        'has it open.'),
    'image-grouped': Advice(
        'The image is in an RBD group, and Ceph does not delete such images.',
        'Take it out with "rbd group image remove <pool>/<group> '
        '<pool>/<image>".'),
    'image-has-snapshots': Advice(
        'An image has snapshots where none were expected.',
        'Look at it with "rbd snap ls".'),
    'timed-out': Advice(
        'Ceph did not answer in time.',
        'See "ceph health detail"; rados_connect_timeout sets the time.'),
    'disconnected': Advice(
        'The cluster has blocklisted the client.',
        'See "ceph osd blocklist ls", and the logs of the monitors for the '
        'reason.'),
    'unreachable': Advice(
        'The cluster cannot be reached.',
        'See rbd_ceph_conf, the keyring and the network to the monitors.'),
    'key-too-new': Advice(
        "This host's Ceph libraries cannot parse the user's key: it is of "
        'the kind that Ceph 20 makes (aes256k).',
        'Update the Ceph packages of this host, or give the user a key of '
        'the older kind (ceph auth, --key_type aes).'),
    'stale': Advice(
        'Somebody else has changed the same thing at this moment.',
        'Try again.'),
    'answer-too-long': Advice(
        'Metadata of an image is longer than 256 MiB.',
        'Look at it with "rbd image-meta ls".'),
    'lease-lost': Advice(
        'This host was so slow that another one took over.',
        'Nothing, unless it happens again and again: the host is '
        'overloaded.'),
    'wrong-layout': Advice(
        'Ceph did not make an image as it was asked to.',
        "Compare the pool's own settings: rbd config pool ls <pool>."),
    'source-remains': Advice(
        'A volume was moved and its source could not be removed.',
        'Both are whole. Remove the one that Cinder does not list.'),
    'move-abandoned': Advice(
        'Another host took the migration of a volume for a dead one.',
        'Nothing: Cinder copies the volume. If it happens again and again, '
        'the host is overloaded.'),
    'ceph-error': Advice(
        'Ceph failed in a way that has no code of its own.',
        'The sentence has its words; see the logs of the OSDs.'),
    'cancelled': Advice(
        'The work was stopped on request.', 'Nothing.'),
    'image-exists': Advice(
        'There is an RBD image of that name.',
        'See volume-exists.'),
    'snapshot-exists': Advice(
        'The RBD image has a snapshot of that name already.',
        'Look at it with "rbd snap ls".'),
    'object-not-found': Advice(
        'An object in the pool, other than an image, does not exist.',
        'Nothing, unless it happens again and again: look at the logs of '
        'the OSDs.'),
    'not-in-dry-run': Advice(
        'What the strategy does can only be done, not tried beforehand.',
        'Nothing: a real create may well succeed.'),
    'id-taken': Advice(
        'Three random ids in a row belonged to other images of the pool.',
        'Look for two clients with one identity; Ceph draws ids from what '
        'it knows of the client and from chance.'),
}

# What ends a create: no other strategy could do better.
FAILED = {
    'image-too-large': Advice(
        'The disk in the image is larger than the volume.',
        'Ask for a larger volume.'),
    'image-gone': Advice(
        'Glance no longer has the image, or not for this user.',
        'Ask Glance for it with the same credentials.'),
    'image-unsafe': Advice(
        "The image's contents are not what Glance declares, or refer to "
        'something outside the image.',
        'Do not use it. Convert it again with qemu-img convert from its '
        'source, and upload that.'),
    'image-damaged': Advice(
        'What Glance delivers is not what was uploaded: hash or length '
        'differ, or the file is cut short.',
        'Upload the image again; look at the store of Glance.'),
    'signature-invalid': Advice(
        "The image's signature does not verify, or is incomplete.",
        'Sign it again; the certificate has to be in Barbican.'),
    'conversion-disabled': Advice(
        'image_conversion_disable is set and the image is not raw.',
        'Upload it as raw, or allow conversion.'),
    'no-temporary-space': Advice(
        'The file system of image_conversion_dir is smaller than the image.',
        'Enlarge it. Images in an RBD store of the same cluster need none.'),
    'conversion-failed': Advice(
        'qemu-img failed, stalled or used more than it may.',
        'Its words are in the log of cinder-volume; see the options '
        'rbd_imgdriver_converter_memory_gb and rbd_imgdriver_stall_timeout.'),
    'download-failed': Advice(
        'Glance did not deliver the image, after retries.',
        'See the log of Glance at that time.'),
    'source-too-slow': Advice(
        'Glance delivers the image at less than 128 KiB a second.',
        "Look at the store that the image is in: Glance's http store, above "
        'all, is as slow as the server that it reads from. Copy the image to '
        'another store (import method copy-image).'),
    'host-unusable': Advice(
        'The conversion directory, or a lock in lock_path, belongs to another '
        'user than that of cinder-volume.',
        'The sentence names it. Give it to the user of cinder-volume '
        '(chown); then rbd-imgdriver-manage doctor.'),
    'image-empty': Advice(
        'The disk in the image has no bytes: nothing was uploaded, or the '
        'image only stands for snapshots of the volumes of a server.',
        'Upload data; or create the volume from the snapshot that the '
        "image's block_device_mapping names."),
    'volume-exists': Advice(
        "There is an RBD image of the new volume's name; it was left alone.",
        'Remove it if Cinder has no such volume.'),
    'no-space': Advice(
        "The pool, its quota or the cluster is full.",
        'Make room: "ceph df", "rbd-imgdriver-manage cache prune", '
        '"rbd-imgdriver-manage leaks list".'),
    'backend-failed': Advice(
        'Ceph failed in a way that every strategy would meet.',
        'The sentence has its words; "rbd-imgdriver-manage doctor".'),
    'no-strategy': Advice(
        "Every configured strategy declined; Cinder's own way was tried.",
        'Add import to rbd_imgdriver_strategies.'),
    'image-error': Advice(
        'The root of these errors; never seen itself.', 'Report a bug.'),
}
