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
"""How a format's own rules are added to what oslo.utils checks.

oslo.utils and qemu read some images differently.  The rules here accept only
what both read alike, and only what no reader has a reason to look elsewhere
for: what a rule does not know, it refuses.
"""

from collections.abc import Callable

from oslo_utils.imageutils import format_inspector

# Bytes of a table that qemu holds in memory as long as it has an image open.
LARGEST_TABLE = 64 * 1024 * 1024


def add(inspector: format_inspector.FileInspector, name: str,
        check: Callable[[], None]) -> None:
    """Let an inspector check one thing more."""
    inspector.add_safety_check(format_inspector.SafetyCheck(name, check))


def require(fulfilled: bool, otherwise: str) -> None:
    """:raises format_inspector.SafetyViolation: unless it is fulfilled"""
    if not fulfilled:
        raise format_inspector.SafetyViolation(otherwise)


def is_power_of_2(number: int) -> bool:
    """Whether a number is one."""
    return number > 0 and number & (number - 1) == 0
