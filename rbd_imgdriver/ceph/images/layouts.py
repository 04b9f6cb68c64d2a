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
"""How an image lies in the cluster: object size, features, data pool.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import dataclasses
from typing import Any

import rbd

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors

_LIBRBDS_OWN = (rbd.RBD_FEATURE_STRIPINGV2 | rbd.RBD_FEATURE_DATA_POOL
                | rbd.RBD_FEATURE_OPERATIONS | rbd.RBD_FEATURE_MIGRATING)


class WrongLayout(errors.CephError):
    """The image was not made as it was asked for."""

    code = 'wrong-layout'


@dataclasses.dataclass(frozen=True)
class Layout:
    """What is decided when an image is made.

    :param size: bytes
    :param order: log2 of the object size in bytes
    :param features: RBD's feature bits, without that of the data pool
    :param data_pool: the pool of its data, or '' for its own
    """

    size: int
    order: int
    features: int
    data_pool: str


def features(cluster: connection.Cluster) -> int:
    """The feature bits of new images, as in Cinder's RBD driver."""
    configured = int(cluster.option('rbd_default_features') or 0)
    return configured or int(rbd.RBD_FEATURE_LAYERING)


def wanted(cluster: connection.Cluster, ioctx: Any, size: int,
           order: int) -> Layout:
    """How a new image has to come out under Ceph's configuration."""
    return Layout(size, order, features(cluster), _data_pool(cluster, ioctx))


def read(cluster: connection.Cluster, ioctx: Any, image: str) -> Layout:
    """How an image is laid out."""
    with errors.translated(f'layout of {image}'), \
            rbd.Image(ioctx, image, read_only=True) as opened:
        bits = opened.features()
        data_pool = ''
        if bits & rbd.RBD_FEATURE_DATA_POOL:
            data_pool = cluster.pool_name(opened.data_pool_id())
        return Layout(opened.size(), opened.stat()['order'],
                      bits & ~rbd.RBD_FEATURE_DATA_POOL, data_pool)


def check(found: Layout, asked: Layout, subject: str) -> None:
    """Compare.

    librbd adds features that another one needs.  It leaves out only those
    that it decides about itself, whatever it was asked for: striping where
    stripes are as large as objects, a data pool where there is none, and what
    it notes down for its own use (src/librbd/image/CreateRequest.cc).

    :raises WrongLayout: when the image is not as asked for
    """
    missing = asked.features & ~found.features & ~_LIBRBDS_OWN
    if missing or dataclasses.replace(found, features=0) != (
            dataclasses.replace(asked, features=0)):
        raise WrongLayout(f'{subject} is {found} instead of {asked}')


def _data_pool(cluster: connection.Cluster, ioctx: Any) -> str:
    """A pool may have a setting of its own (``rbd config pool set``)."""
    try:
        with errors.translated('option rbd_default_data_pool of the pool'):
            return str(rbd.RBD().config_get(ioctx, 'rbd_default_data_pool'))
    except KeyError:
        return cluster.option('rbd_default_data_pool') or ''
