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
"""Turns the options of a Cinder backend into our settings."""

import math
import re
import tempfile
from typing import Any

from cinder.volume import configuration as volume_configuration
from cinder.volume.drivers import rbd as cinder_rbd
from oslo_config import cfg

from rbd_imgdriver import backend
from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.chain import chains
from rbd_imgdriver.chain import names
from rbd_imgdriver.importer import options
from rbd_imgdriver import model
from rbd_imgdriver.openstack import volumes

CONF = cfg.CONF


def settings_of(configuration: Any,
                cluster: connection.ClusterSpec) -> backend.Settings:
    """What the operator decided for a backend.

    :param configuration: Cinder's, of the backend's section
    :param cluster: the cluster that is active now
    """
    get = configuration.safe_get
    limits = None
    if get('image_volume_cache_enabled'):
        limits = eviction.Limits(get('image_volume_cache_max_size_gb') or 0,
                                 get('image_volume_cache_max_count') or 0)
    return backend.Settings(
        cluster=cluster,
        pool=configuration.rbd_pool,
        volume_pools=volume_pools(configuration),
        order=20 + int(math.log2(configuration.rbd_store_chunk_size)),
        max_depth=configuration.rbd_max_clone_depth,
        cascade=tuple(configuration.rbd_imgdriver_strategies),
        cinder_allowed='cinder' in CONF.allowed_direct_url_schemes,
        chains=chain_options(configuration),
        cache=limits,
        imports=import_options(configuration),
        balanced_reads=configuration.rbd_imgdriver_balanced_reads,
        encrypted_clones=ciphertext.Sharing(
            configuration.rbd_imgdriver_encrypted_clones),
        marked=prefetch_rules(configuration))


def prefetch_rules(configuration: Any) -> prefetch_plan.Rules | None:
    """Which images are fetched before their first use; None for none.

    :raises oslo_config.cfg.ConfigFileValueError: when a mark or the pattern
        is not one
    """
    marks = configuration.rbd_imgdriver_prefetch
    if not marks:
        return None
    pattern = configuration.rbd_imgdriver_prefetch_name_pattern
    try:
        compiled = re.compile(pattern) if pattern else None
        filters = tuple(prefetch_plan.mark(one) for one in marks)
    except re.error as error:
        raise cfg.ConfigFileValueError(
            f'rbd_imgdriver_prefetch_name_pattern: {error}') from error
    except prefetch_plan.BadMark as error:
        raise cfg.ConfigFileValueError(
            f'rbd_imgdriver_prefetch: {error}') from error
    return prefetch_plan.Rules(
        filters,
        configuration.rbd_imgdriver_prefetch_keep,
        tuple(configuration.rbd_imgdriver_prefetch_family), compiled,
        configuration.rbd_imgdriver_prefetch_max_size_gb * model.GIB)


def volume_pools(configuration: Any) -> frozenset[str]:
    """The pools of all RBD backends of this cinder.conf, and of this one.

    Other backends than those on RBD count with the default of ``rbd_pool``.
    """
    others = [
        volume_configuration.Configuration(cinder_rbd.RBD_OPTS,
                                           config_group=name)
        for name in CONF.enabled_backends or []]
    return frozenset(str(one.rbd_pool) for one in [configuration, *others])


# Seconds until a client that died no longer counts as one that has an image
# open: its watch lasts 30 (osd_client_watch_timeout), and an OSD that is busy
# takes a little longer to notice.
_DEAD_CLIENT = 40


def chain_options(configuration: Any) -> chains.Options:
    """What the operator decided about clones."""
    deferred = configuration.enable_deferred_deletion
    return chains.Options(
        limit=configuration.rbd_max_clone_depth,
        concurrency=configuration.rbd_concurrent_flatten_operations,
        deferment=configuration.deferred_deletion_delay if deferred else None,
        patience=max(_DEAD_CLIENT, configuration.rados_connection_interval
                     * configuration.rados_connection_retries),
        rules=names.Names(CONF.volume_name_template,
                          volumes.volume_status))


def import_options(configuration: Any) -> options.Options:
    """What the operator decided about imports."""
    return options.Options(
        conversion_dir=CONF.image_conversion_dir or tempfile.gettempdir(),
        volume_pools=volume_pools(configuration),
        lock_path=CONF.oslo_concurrency.lock_path or '',
        concurrent=configuration.rbd_imgdriver_concurrent_imports,
        user=configuration.rbd_imgdriver_converter_user,
        memory_limit=(configuration.rbd_imgdriver_converter_memory_gb
                      * model.GIB),
        stall_timeout=configuration.rbd_imgdriver_stall_timeout,
        retries=CONF.glance_num_retries,
        conversion_disabled=CONF.image_conversion_disable,
        compressed_allowed=CONF.allow_compression_on_image_upload,
        luks_iterations=configuration.rbd_imgdriver_luks_iterations,
        vmdk_types=tuple(CONF.vmdk_allowed_types))
