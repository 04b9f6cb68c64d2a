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
"""``rbd-imgdriver-manage doctor``: check a deployment."""

import argparse
from collections.abc import Iterator

from rbd_imgdriver.cmd.checks import cluster
from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import options
from rbd_imgdriver.cmd.checks import parallel
from rbd_imgdriver.cmd.checks import together
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import examination
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import process
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver.importer import temporary

Exit = exits.Exit
Finding = findings.Finding
Severity = findings.Severity

# Seconds after the start of the process at which checks that have not ended
# are left behind.  With what librados is then given to shut down, 5 s, all is
# over within 30 s.
_TIMEOUT = 22
# Seconds that the checks have where Cinder's modules took all that time to
# load; what works may need them on such a host.
_LEAST = 10


class Doctor(commands.Listing):
    __doc__ = f"""Check a deployment.

    Checks Ceph, Glance, cinder.conf and this host, and says what to do about
    each finding. Checks all backends that use this driver unless --backend
    names one. Changes nothing; makes probe images, whose names begin with
    {temporary.PREFIX}{cluster.PROBE}, and removes them.
    """

    columns = (
        output.Column('severity'),
        output.Column('code'),
        output.Column('subject'),
        output.Column('detail'),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How much of it."""
        parser.add_argument('--all', action='store_true',
                            help='show also what is in order')
        parser.add_argument(
            '--timeout', type=_seconds, metavar='SECONDS', default=_TIMEOUT,
            help='leave checks behind that have not ended so long after the '
            'start of the command; they have '
            f'{_LEAST} s at least (default: %(default)s)')

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """All findings, the worst first."""
        found = list(_all(self.session, args.timeout))
        least = Severity.OK if args.all else Severity.INFO
        shown = sorted((one for one in found if one.kind.severity >= least),
                       key=lambda one: -one.kind.severity)
        for code in dict.fromkeys(one.code for one in shown):
            kind = findings.KINDS[code]
            if kind.remedy:
                self.say(f'\n{code}: {kind.meaning} {kind.remedy}')
        worst = max((one.kind.severity for one in found), default=Severity.OK)
        self.exit_code = {Severity.ERROR: Exit.ERROR,
                          Severity.WARNING: Exit.WARNING}.get(worst, Exit.OK)
        return [{
            'severity': one.kind.severity.name.lower(), 'code': one.code,
            'subject': one.subject, 'detail': one.detail,
            'meaning': one.kind.meaning, 'remedy': one.kind.remedy,
        } for one in shown]


def _seconds(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f'{text} is not a number of seconds')
    return int(text)


def time_left(timeout: float, age: float) -> float:
    """Seconds that the checks may take.

    :param timeout: seconds that the command may take up to their end
    :param age: seconds that it has taken
    """
    return min(timeout, max(_LEAST, timeout - age))


def _all(session: sessions.Session, timeout: float) -> Iterator[Finding]:
    chosen = session.chosen()
    if not chosen:
        raise exits.CommandError(
            Exit.CONFIG, f'no backend has volume_driver = {sessions.DRIVER}')
    invalid = list(session.invalid([*chosen, options.DEFAULTS]))
    yield from (Finding('option-invalid', *one) for one in invalid)
    if {'DEFAULT', options.DEFAULTS} & {where for where, _ in invalid}:
        return  # every backend has it
    usable = []
    for name in chosen:
        if name not in {where for where, _ in invalid}:
            try:
                session.of(name).backend  # noqa: B018 - its options are read
            except ValueError as error:
                if not sessions.is_of_configuration(error):
                    raise
                yield Finding('option-invalid', name, str(error))
            else:
                usable.append(session.of(name))
    yield from options.coordination(session.conf.cluster,
                                    session.conf.coordination.backend_url)
    if usable:
        yield from options.unknown(
            options.DEFAULTS, session.written(options.DEFAULTS),
            usable[0].known)
    age = process.age()
    seconds = time_left(timeout, age)
    if age > timeout / 2:
        yield Finding('host-busy', 'doctor', f'started after {age:.0f} s')
    examined = examination.Examination(seconds, session, usable)
    yield from parallel.run(examined.tasks(), seconds)
    yield from together.check(examined.peers.values())
