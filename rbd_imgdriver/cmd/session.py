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
"""cinder.conf, and what a command needs of the backend that it names.

Nothing here needs a running Cinder.  Cinder itself is imported when a
command needs its configuration: ``--help`` and a wrong command line cost no
second of imports.
"""

import argparse
from collections.abc import Iterable
from collections.abc import Iterator
import functools
import pathlib
from typing import Any
from typing import TYPE_CHECKING

from rbd_imgdriver import backend as backends
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import privileges
from rbd_imgdriver.cmd import process
from rbd_imgdriver import model

if TYPE_CHECKING:
    from rbd_imgdriver.openstack import encryption as cinder_encryption
    from rbd_imgdriver.openstack import service_glance

# Sections whose options the command reads, too.
_SERVICES = ('coordination', 'database', 'oslo_concurrency')

DRIVER = 'rbd_imgdriver.driver.RBDImageDriver'
INTREE = 'cinder.volume.drivers.rbd.RBDDriver'


class Session:
    """The configuration of one backend and its parts, made when needed.

    :param args: the parsed command line
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args

    @functools.cached_property
    def backend(self) -> backends.Backend:
        """The parts of the backend, as cinder-volume has them."""
        configuration = self.configuration  # Cinder's modules come first
        from rbd_imgdriver.openstack import settings
        return backends.Backend(
            settings.settings_of(configuration, self.cluster))

    @functools.cached_property
    def glance(self) -> 'service_glance.ServiceGlance':
        """Glance, with the service's own credentials."""
        self.conf  # noqa: B018 - Cinder's modules come first
        from rbd_imgdriver.openstack import service_glance
        return service_glance.ServiceGlance()

    def volume_status(self, volume_id: str) -> str | None:
        """Cinder's status of a volume; None when it does not know it."""
        self.conf  # noqa: B018 - Cinder's modules come first
        from rbd_imgdriver.openstack import volumes as cinder_volumes
        return cinder_volumes.volume_status(volume_id)

    def volumes_called(self, name: str) -> list[str]:
        """The ids of the volumes that have a name, or once had an id.

        :raises rbd_imgdriver.errors.ServiceError: when there is no database
        """
        self.conf  # noqa: B018 - Cinder's modules come first
        from rbd_imgdriver.openstack import volumes as cinder_volumes
        return cinder_volumes.called(name)

    @property
    def volumes(self) -> model.ImageVolumes:
        """Cinder's volumes, from its database."""
        self.conf  # noqa: B018 - Cinder's modules come first
        from rbd_imgdriver.openstack import volumes as cinder_volumes
        return cinder_volumes.all_volumes()

    def encrypted_type(
            self, name: str) -> 'cinder_encryption.EncryptedType | None':
        """How volumes of a type are encrypted; None when they are not.

        :raises exits.CommandError: when there is no such type
        """
        self.conf  # noqa: B018 - Cinder's modules come first
        from cinder import exception

        from rbd_imgdriver.openstack import encryption
        try:
            return encryption.encrypted_type(name)
        except exception.NotFound as error:
            raise exits.CommandError(exits.Exit.NOT_FOUND,
                                     str(error)) from error

    @property
    def cluster(self) -> connection.ClusterSpec:
        """How the backend reaches its cluster."""
        return cluster_of(self.configuration)

    @functools.cached_property
    def configuration(self) -> Any:
        """Cinder's configuration object of the backend's section."""
        return section(self.conf, self.name)

    def of(self, backend: str) -> 'Session':
        """The session of another backend of the same cinder.conf."""
        return Session(argparse.Namespace(
            **{**vars(self._args), 'backend': backend}))

    @property
    def values(self) -> dict[str, Any]:
        """The backend's options by name, with two that belong to them."""
        get = self.configuration
        found = {name: get.safe_get(name) for name in self.known}
        found['allowed_direct_url_schemes'] = (
            self.conf.allowed_direct_url_schemes)
        return found

    @property
    def known(self) -> set[str]:
        """The names of the options that the backend's section may have."""
        return set(self.conf[self.configuration.config_group])

    def written(self, wanted: str) -> set[str]:
        """The names that are written in a section."""
        from oslo_config import cfg

        found: set[str] = set()
        paths = [pathlib.Path(path) for path in self.conf.config_file]
        for directory in self.conf.config_dir:
            paths += sorted(pathlib.Path(directory).glob('*.conf'))
        for path in paths:
            sections: dict[str, dict[str, list[str]]] = {}
            cfg.ConfigParser(str(path), sections).parse()
            found |= set(sections.get(wanted, {}))
        return found

    @functools.cached_property
    def name(self) -> str:
        """The name of the backend's section.

        :raises exits.CommandError: when it is not clear which is meant
        """
        ours = self.backends()
        wanted = self._args.backend
        if wanted is None and len(ours) == 1:
            return ours[0]
        if wanted in ours:
            return str(wanted)
        known = ', '.join(ours) or 'none'
        if wanted is None:
            raise exits.CommandError(
                exits.Exit.CONFIG, f'choose one with --backend; those with '
                f'volume_driver = {DRIVER} are: {known}')
        raise exits.CommandError(
            exits.Exit.CONFIG, f'backend {wanted} is not in enabled_backends '
            f'with volume_driver = {DRIVER}; those are: {known}')

    def chosen(self) -> list[str]:
        """The section that the command line names, or all of ours."""
        return [self.name] if self._args.backend else self.backends()

    def backends(self, driver: str = DRIVER) -> list[str]:
        """The sections of ``enabled_backends`` that use a driver."""
        return [name for name in self.conf.enabled_backends or []
                if section(self.conf, name).volume_driver == driver]

    def invalid(self, groups: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The options whose values cannot be: (section, why).

        :param groups: sections besides ``[DEFAULT]`` and those of services
        """
        from oslo_config import cfg

        conf = self.conf
        for group in (None, *_SERVICES, *groups):
            where = conf if group is None else conf[group]
            for name in where:
                try:
                    where[name]
                except cfg.ConfigFileValueError as error:
                    yield group or 'DEFAULT', str(error)
                except (cfg.Error, TypeError, AttributeError):
                    continue  # another's to say, or not an option

    @functools.cached_property
    def conf(self) -> Any:
        """Cinder's options, with cinder.conf read.

        From then on the command is the user of cinder-volume, not root,
        unless its verb makes nothing and reads what is root's.

        :raises exits.CommandError: when it cannot be read
        """
        with process.kept():
            from cinder.common import config  # noqa: F401
            from cinder import objects
            # The order matters: Cinder's image modules import each other.
            from cinder.volume.drivers import rbd as cinder_rbd  # noqa: F401
            from oslo_config import cfg

            objects.register_all()
        # Registered by the module of cinder-volume's command only.
        cfg.CONF.register_opt(cfg.StrOpt('cluster'))
        try:
            cfg.CONF(self._config_words(), project='cinder')
        except (cfg.Error, OSError) as error:
            raise exits.CommandError(
                exits.Exit.CONFIG, f'cannot read the configuration: {error}'
            ) from error
        if not getattr(self._args, 'stay_root', False):
            privileges.drop_to_owner(
                pathlib.Path(path) for path in (
                    cfg.CONF.oslo_concurrency.lock_path,
                    cfg.CONF.image_conversion_dir, cfg.CONF.state_path)
                if path)
        return cfg.CONF

    def _config_words(self) -> list[str]:
        """What the command line says of files, for oslo.config to read."""
        from oslo_config import cfg

        files = self._args.config_file or []
        dirs = self._args.config_dir or []
        for path in [*files, *dirs]:
            if not pathlib.Path(path).exists():
                raise exits.CommandError(exits.Exit.CONFIG,
                                         f'there is no {path}')
        if not (files or cfg.find_config_files(project='cinder')):
            raise exits.CommandError(
                exits.Exit.CONFIG, 'no cinder.conf was found in the usual '
                'places; name it with --config-file')
        return [f'--config-{kind}={path}' for kind, paths in (
            ('file', files), ('dir', dirs)) for path in paths]


def is_of_configuration(error: ValueError) -> bool:
    """Whether a value of cinder.conf is one that cannot be."""
    from oslo_config import cfg
    return isinstance(error, cfg.ConfigFileValueError)


def cluster_of(configuration: Any) -> connection.ClusterSpec:
    """How a backend on RBD reaches its cluster."""
    return connection.ClusterSpec(
        configuration.rbd_cluster_name, configuration.rbd_ceph_conf or '',
        configuration.rbd_user, configuration.rados_connect_timeout)


def section(conf: Any, name: str) -> Any:
    """Cinder's configuration object of one section.

    As cinder/volume/manager.py and the RBD driver make it, without the
    manager's imports.
    """
    from cinder.volume import configuration
    from cinder.volume import driver as volume_driver
    from cinder.volume.drivers import rbd as cinder_rbd
    from oslo_config import cfg

    from rbd_imgdriver import opts

    if name not in conf.list_all_sections():
        raise exits.CommandError(
            exits.Exit.CONFIG,
            f'enabled_backends names {name}, which has no section')
    return configuration.Configuration(
        [cfg.StrOpt('volume_driver'), *volume_driver.volume_opts,
         *volume_driver.image_opts, *cinder_rbd.RBD_OPTS, *opts.OPTS],
        config_group=name)
