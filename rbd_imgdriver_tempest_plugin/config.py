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

"""The options in Tempest's configuration."""

from oslo_config import cfg

GROUP = cfg.OptGroup('rbd_imgdriver', title='The rbd_imgdriver volume driver')

OPTIONS = [
    cfg.StrOpt('volume_type',
               help='Volume type of a backend with this driver. If it is not '
                    'set, [volume] volume_type is used.'),
    cfg.StrOpt('encrypted_volume_type',
               help='Volume type of the same backend with LUKS encryption. If '
                    'it is not set, the tests of encryption are skipped.'),
    cfg.StrOpt('cinder_store',
               help='A store of Glance that keeps images as Cinder volumes, '
                    'in the same Ceph cluster. If it is not set, the tests '
                    'of cinder-clone are skipped.'),
    cfg.StrOpt('rbd_store', default='rbd',
               help='The store of Glance that is in the same Ceph cluster.'),
    cfg.BoolOpt('direct_url', default=False,
                help="Whether Glance shows users where their images' data is "
                     '(show_image_direct_url). If not, the test of an '
                     'image with the location of another is skipped.'),
    cfg.StrOpt('ceph_conf',
               help='The configuration file of the Ceph cluster. With it the '
                    'tests look at how volumes are stored, by the rbd '
                    'command; without it those that must are skipped.'),
    cfg.StrOpt('ceph_user', default='cinder',
               help='The Ceph user that reads the pool.'),
    cfg.StrOpt('pool', default='volumes',
               help='The pool of the backend.'),
    cfg.IntOpt('max_clone_depth', default=5, min=1,
               help='rbd_max_clone_depth of the backend.'),
]
