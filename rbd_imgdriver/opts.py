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
        help='How many images the backend may convert at the same time; as '
             'many that need no conversion may be imported beside them. '
             'Further imports wait: the project with the fewest running '
             'imports comes next, and no project gets all places. An import '
             'may use up to 256 MiB of memory.'),
    cfg.StrOpt(
        'rbd_imgdriver_converter_user',
        default='nobody',
        help='The system user that qemu-img runs as when cinder-volume '
             'itself runs as root. Otherwise it runs as the user of '
             'cinder-volume, without any means to gain privileges.'),
    cfg.IntOpt(
        'rbd_imgdriver_converter_memory_gb',
        default=4, min=2,
        help='The address space in GiB that one qemu-img may use; a damaged '
             "or hostile image cannot make it use more. Ceph's client library "
             'alone reserves 1.5 GiB, more on hosts with many processors.'),
    cfg.IntOpt(
        'rbd_imgdriver_stall_timeout',
        default=300, min=10,
        help='Seconds without progress after which a conversion is '
             'abandoned. Must be longer than Ceph may fail to respond, for '
             'example during a failover.'),
]

ENCRYPTION_OPTS = [
    cfg.StrOpt(
        'rbd_imgdriver_encrypted_clones',
        default='project',
        choices=[
            ('off', 'every encrypted volume is imported separately'),
            ('project', 'all volumes that a project makes from an image with '
                        'the same cipher share the encrypted data'),
            ('volume-type', 'only those of the same volume type do')],
        help='Whether encrypted volumes that are made from the same image '
             'share its encrypted data, as clones. Such volumes have the same '
             'master key, each protected by a passphrase of its own, as '
             'volumes that Cinder clones have. Needs '
             'image_volume_cache_enabled and cryptsetup.'),
    cfg.IntOpt(
        'rbd_imgdriver_luks_iterations',
        default=1000, min=1000,
        help='How many iterations of PBKDF2 derive the key of a new '
             'encrypted volume from its passphrase. More iterations make '
             'guessing slower, but the passphrases that Cinder makes are '
             'random keys of 256 bits, which nobody can guess, and every '
             'start of a server takes as many. 2,000,000 iterations take '
             'about a second.'),
]

PREFETCH_OPTS = [
    cfg.ListOpt(
        'rbd_imgdriver_prefetch',
        default=[],
        help='Marks of images that are fetched into the cache as soon as '
             'Glance has them, before anybody asks for them. Each is '
             'key=value, or several joined with "+" that must all match; a '
             'key is tag, owner, visibility or the name of a property: '
             'tag=golden, owner=<project id>, owner=<project id>+tag=golden, '
             'visibility=public. Without an owner only public images match, '
             'since all tenants can tag their own images as they like. Needs '
             'image_volume_cache_enabled and the credentials in the section '
             '[glance].'),
    cfg.IntOpt(
        'rbd_imgdriver_prefetch_keep',
        default=1, min=1,
        help='How many images of each family, the newest ones, are fetched '
             'and kept. Older images are kept until the newest ones are in '
             'the cache and no volume has been made from the older ones for '
             'a day.'),
    cfg.ListOpt(
        'rbd_imgdriver_prefetch_family',
        default=['os_distro', 'os_version'],
        help='The properties whose values are the same for all images of a '
             'family. An image that lacks one is a family of its own.'),
    cfg.StrOpt(
        'rbd_imgdriver_prefetch_name_pattern',
        help='A regular expression for the names of images, used instead of '
             'rbd_imgdriver_prefetch_family: what it matches, or its first '
             'group, is the same for all images of a family. For example '
             '^(.*)-[0-9]+$ for nightly builds.'),
    cfg.IntOpt(
        'rbd_imgdriver_prefetch_max_size_gb',
        default=0, min=0,
        help='The most GiB that the images kept in this way may take '
             'together; 0: no limit besides that of the cache.'),
    cfg.IntOpt(
        'rbd_imgdriver_prefetch_interval',
        default=30, min=5,
        help='Seconds after which Glance is asked for marked images again.'),
    cfg.StrOpt(
        'rbd_imgdriver_prefetch_transport_url',
        secret=True,
        help="URL of the message bus with Glance's notifications, in the form "
             "of oslo.messaging's transport_url. With it, Glance is also "
             'asked as soon as it reports a new image.'),
]

CACHE_OPTS = [
    cfg.BoolOpt(
        'rbd_imgdriver_balanced_reads',
        default=False,
        help='Whether all copies of a new cached image are read, and not '
             'only the first: when many servers start from one image, their '
             'reads are spread over as many OSDs as the pool has copies. '
             'Needs OSDs of Ceph 15 (Octopus) or later.'),
]

METRICS_OPTS = [
    cfg.PortOpt(
        'rbd_imgdriver_metrics_port',
        default=0, min=0,
        help='The port on which Prometheus finds the metrics of this '
             'backend; 0: none. Every backend is a process and needs a '
             'port of its own: 19283, 19284 and so on; 9283 belongs to '
             "Ceph's manager. Needs the Python package prometheus-client."),
    cfg.HostAddressOpt(
        'rbd_imgdriver_metrics_address',
        default='127.0.0.1',
        help='The address that rbd_imgdriver_metrics_port is opened on. '
             'Anybody who can reach it can read the metrics.'),
]

OPTS: list[cfg.Opt] = [*CASCADE_OPTS, *IMPORT_OPTS, *ENCRYPTION_OPTS,
                       *PREFETCH_OPTS, *CACHE_OPTS, *METRICS_OPTS]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The options for oslo.config's generators, by group."""
    return [('backend_defaults', OPTS)]
