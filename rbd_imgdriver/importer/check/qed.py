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
"""qemu's enhanced disk.

Layout: qemu's docs/interop/qed_spec.rst.  oslo.utils refuses the format as
such, for nobody uses it.  Whoever lets Glance accept it does.
"""

import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

_NEEDS_CHECK = 2  # a feature bit: it was not closed properly
_CLUSTERS = (4096, 64 * 1024 * 1024)  # bytes

# Bytes: qemu keeps fifty tables in memory.
_TABLE = 1024 * 1024


class QED(format_inspector.QEDInspector):
    """A disk that points to no other."""

    def _initialize(self) -> None:
        super()._initialize()
        self._safety_checks.clear()
        rules.add(self, 'features', self._check_features)
        rules.add(self, 'tables', self._check_tables)

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk; 0 as long as they are unknown."""
        if not self.format_match:
            return 0
        return int(struct.unpack_from('<Q', self.region('header').data,
                                      48)[0])

    def _check_features(self) -> None:
        features, compatible = struct.unpack_from(
            '<QQ', self.region('header').data, 16)
        rules.require(not features & ~_NEEDS_CHECK and not compatible,
                      'it has a backing file or unknown features')

    def _check_tables(self) -> None:
        cluster, table = struct.unpack_from('<II',
                                            self.region('header').data, 4)
        rules.require(rules.is_power_of_2(cluster)
                      and _CLUSTERS[0] <= cluster <= _CLUSTERS[1],
                      'its clusters have an impossible size')
        rules.require(0 < cluster * table <= _TABLE,
                      'its tables would be too large')
