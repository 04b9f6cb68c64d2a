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
"""The configuration that deployments.rst has operators write, as Cinder
reads it."""

import pathlib
import re
import textwrap

from cinder.volume import configuration
from cinder.volume import driver as cinder_driver
from cinder.volume.drivers import rbd
from keystoneauth1 import loading
from oslo_config import cfg
import pytest
import yaml

from rbd_imgdriver import opts

PAGE = (pathlib.Path(__file__).resolve().parents[2]
        / 'doc/source/deployments.rst').read_text()


def snippets(title: str, language: str) -> list[str]:
    """The code blocks of a language in a section of the page."""
    section = PAGE.partition(f'\n{title}\n=')[2]
    section = re.split(r'\n\n[^\n ][^\n]*\n=+\n', section)[0]
    blocks = re.findall(
        rf'\.\. code-block:: {language}\n\n((?:(?:   .*)?\n)+)', section)
    return [textwrap.dedent(block) for block in blocks]


def read(tmp_path: pathlib.Path, text: str) -> cfg.ConfigOpts:
    path = tmp_path / 'cinder.conf'
    path.write_text(text)
    conf = cfg.ConfigOpts()
    conf(['--config-file', str(path)], default_config_files=[])
    return conf


def backend(conf: cfg.ConfigOpts, section: str) -> configuration.Configuration:
    """The section's options, which Cinder and the driver register."""
    # That of Cinder's manager, which takes seconds to import.
    conf.register_opt(cfg.StrOpt('volume_driver'), group=section)
    for group in (cinder_driver.volume_opts, cinder_driver.image_opts,
                  rbd.RBD_OPTS, *(found for _, found in opts.list_opts())):
        conf.register_opts(group, group=section)
    return conf[section]


def is_ours(section: configuration.Configuration) -> bool:
    return (section.volume_driver == 'rbd_imgdriver.driver.RBDImageDriver'
            and section.image_volume_cache_enabled is True)


def test_kolla_ansible(tmp_path):
    _, text = snippets('Kolla', 'ini')

    assert is_ours(backend(read(tmp_path, text), 'rbd-1'))


def test_the_wheel_is_all_that_kolla_installs():
    template, = snippets('Kolla', 'jinja')
    build = snippets('Kolla', 'ini')[0]

    name = re.search(r'^\[cinder-base-additions-(.+)\]$', build, re.M)[1]
    assert f'/additions/{name}/*.whl' in template


def test_openstack_ansible(tmp_path):
    variables, backends = (yaml.safe_load(text) for text
                           in snippets('OpenStack-Ansible', 'yaml'))
    # What the role's template and its overrides make of them.
    sections = {**backends['cinder_backends'],
                **variables['cinder_cinder_conf_overrides']}
    text = '\n'.join(
        f'[{section}]\n' + '\n'.join(
            f'{key}={value}' for key, value in sorted(options.items()))
        for section, options in sections.items())

    conf = read(tmp_path, text)
    loading.register_auth_conf_options(conf, 'glance')

    assert is_ours(backend(conf, 'rbd'))
    plugin = loading.load_auth_from_conf_options(conf, 'glance')
    assert plugin.auth_url == '{{ keystone_service_internalurl }}'
    for path in variables['cinder_user_pip_packages']:
        assert re.fullmatch(r'rbd_imgdriver-[\d.]+-py3-none-any\.whl',
                            pathlib.Path(path).name)


def test_openshift(tmp_path):
    version, plane = (
        yaml.safe_load(text) for text in
        snippets('Red Hat OpenStack Services on OpenShift', 'yaml'))
    images = version['spec']['customContainerImages']['cinderVolumeImages']
    volumes = plane['spec']['cinder']['template']['cinderVolumes']

    assert set(images) == set(volumes)
    assert is_ours(backend(
        read(tmp_path, volumes['ceph']['customServiceConfig']), 'ceph'))


@pytest.mark.parametrize('language', ['ini', 'yaml'])
def test_the_page_has_snippets(language):
    assert f'code-block:: {language}' in PAGE
