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
"""The options that the driver adds to those of Cinder's RBD driver.

They go into the backend's section of cinder.conf, beside the ``rbd_*`` and
``image_volume_cache_*`` options, which keep their meaning.
"""

from oslo_config import cfg
from oslo_config import types

RBD_CLONE = 'rbd-clone'
CINDER_CLONE = 'cinder-clone'
CACHED_CLONE = 'cached-clone'
IMPORT = 'import'

CASCADE = (RBD_CLONE, CINDER_CLONE, CACHED_CLONE, IMPORT)

CASCADE_OPTS = [
    cfg.ListOpt(
        'rbd_imgdriver_strategies',
        default=list(CASCADE),
        item_type=types.String(choices=list(CASCADE)),
        help='The ways to make a volume from an image, in the order in which '
             'they are tried. When all of them decline, Cinder downloads the '
             'image itself.'),
]

IMPORT_OPTS = [
    cfg.IntOpt(
        'rbd_imgdriver_concurrent_imports',
        default=4, min=1,
        help='How many images the backend may convert at the same time, and '
             'as many that need no conversion. More wait: the project that '
             'has the fewest comes next, and none has all places. An import '
             'may take up to 256 MiB of memory.'),
    cfg.StrOpt(
        'rbd_imgdriver_converter_user',
        default='nobody',
        help='The system user that qemu-img runs as when cinder-volume '
             'itself runs as root. Otherwise it runs as the user of '
             'cinder-volume, without any means to gain privileges.'),
    cfg.IntOpt(
        'rbd_imgdriver_converter_memory_gb',
        default=4, min=2,
        help='The address space in GiB that one qemu-img may take; a damaged '
             'or hostile image cannot make it take more. The client '
             'library of Ceph alone reserves 1.5 GiB, more on hosts with many '
             'processors.'),
    cfg.IntOpt(
        'rbd_imgdriver_stall_timeout',
        default=300, min=10,
        help='Seconds without any progress after which a conversion is given '
             'up. It has to be longer than Ceph may stand still, for example '
             'while it fails over.'),
]

ENCRYPTION_OPTS = [
    cfg.StrOpt(
        'rbd_imgdriver_encrypted_clones',
        default='project',
        choices=[
            ('off', 'each encrypted volume is imported by itself'),
            ('project', 'all volumes that a project makes of an image, with '
                        'the same cipher, share the encrypted data'),
            ('volume-type', 'only those of the same volume type do')],
        help='Whether encrypted volumes of an image are clones of each '
             "other's data. Such volumes have the same master key, each "
             'behind a passphrase of its own, like volumes that Cinder '
             'clones. Needs image_volume_cache_enabled and cryptsetup.'),
    cfg.IntOpt(
        'rbd_imgdriver_luks_iterations',
        default=1000, min=1000,
        help='How often PBKDF2 is repeated to make the key of a new encrypted '
             'volume of its passphrase. Repetition makes guessing slow, and '
             'the passphrases of Cinder, random keys of 256 bits, cannot be '
             'guessed; but each start of a server repeats it, too. 2,000,000 '
             'take about a second.'),
]

PREFETCH_OPTS = [
    cfg.ListOpt(
        'rbd_imgdriver_prefetch',
        default=[],
        help='Marks of images that are fetched into the cache as soon as '
             'Glance has them, before anybody asks for them. Each is '
             'key=value, or several with "+" between that must all fit; a '
             'key is tag, owner, visibility or the name of a property: '
             'tag=golden, owner=<project id>, owner=<project id>+tag=golden, '
             'visibility=public. Without an owner only public images count, '
             'since every tenant can give images of her own any tag. Needs '
             'image_volume_cache_enabled and the credentials of [glance].'),
    cfg.IntOpt(
        'rbd_imgdriver_prefetch_keep',
        default=1, min=1,
        help='How many images of each family are fetched and kept, the '
             'newest. Older ones are kept until these are there and nobody '
             'has made a volume of them for a day.'),
    cfg.ListOpt(
        'rbd_imgdriver_prefetch_family',
        default=['os_distro', 'os_version'],
        help='The properties whose values are the same for all images of a '
             'family. An image that lacks one is a family of its own.'),
    cfg.StrOpt(
        'rbd_imgdriver_prefetch_name_pattern',
        help='A regular expression for names of images, instead of '
             'rbd_imgdriver_prefetch_family: what it finds, or its first '
             'group, is the same for all images of a family. For example '
             '^(.*)-[0-9]+$ for nightly builds.'),
    cfg.IntOpt(
        'rbd_imgdriver_prefetch_max_size_gb',
        default=0, min=0,
        help='GiB that the images which are kept so may take together; 0 for '
             'no limit but that of the cache.'),
    cfg.IntOpt(
        'rbd_imgdriver_prefetch_interval',
        default=30, min=5,
        help='Seconds between two looks into Glance for marked images.'),
    cfg.StrOpt(
        'rbd_imgdriver_prefetch_transport_url',
        secret=True,
        help="URL of the message bus with Glance's notifications, as "
             'transport_url of oslo.messaging. With it, Glance is also asked '
             'as soon as it says that it has an image.'),
]

CACHE_OPTS = [
    cfg.BoolOpt(
        'rbd_imgdriver_balanced_reads',
        default=False,
        help='Whether all copies of a new cached image are read, and not '
             'only the first: where many servers start from one image, its '
             'reads spread over as many OSDs as the pool has copies. Needs '
             'OSDs of Ceph 15 (Octopus) or later.'),
]

METRICS_OPTS = [
    cfg.PortOpt(
        'rbd_imgdriver_metrics_port',
        default=0, min=0,
        help='The port on which Prometheus finds the metrics of this '
             'backend; 0 for none. Every backend is a process and needs a '
             'port of its own: 19283, 19284 and so on; 9283 belongs to '
             "Ceph's manager. Needs the Python package prometheus-client."),
    cfg.HostAddressOpt(
        'rbd_imgdriver_metrics_address',
        default='127.0.0.1',
        help='The address that rbd_imgdriver_metrics_port is opened on. '
             'Whoever can reach it can read the metrics.'),
]

OPTS: list[cfg.Opt] = [*CASCADE_OPTS, *IMPORT_OPTS, *ENCRYPTION_OPTS,
                       *PREFETCH_OPTS, *CACHE_OPTS, *METRICS_OPTS]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The options for oslo.config's generators, by group."""
    return [('backend_defaults', OPTS)]
