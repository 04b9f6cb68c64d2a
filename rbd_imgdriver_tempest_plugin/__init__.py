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

"""Tempest tests of what only this driver does.

Installed with the driver; Tempest finds it by its entry point.  It needs
Tempest but nothing of the driver or of Ceph's libraries, so that it may run
anywhere: what it knows, it knows from OpenStack's APIs and, if it is given
the cluster, from the ``rbd`` command.
"""
