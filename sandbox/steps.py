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

"""Doing things in parallel that do not depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from concurrent import futures
import dataclasses

from sandbox import errors
from sandbox import polling
from sandbox import progress


@dataclasses.dataclass(frozen=True)
class Step:
    """Something to be done when the steps it comes after are done."""

    name: str
    action: Callable[[], object]
    after: tuple[str, ...] = ()


def run(steps: Sequence[Step], report: progress.Progress) -> None:
    """Do all steps, each as early as its predecessors allow.

    The first failure stops the others and is raised.
    """
    waiting = {step.name: step for step in steps}
    unknown = {name for step in steps for name in step.after} - set(waiting)
    if unknown:
        raise ValueError(f'no such steps: {sorted(unknown)}')
    done: set[str] = set()
    running: dict[futures.Future[None], str] = {}
    with report.heartbeat(), futures.ThreadPoolExecutor(len(steps)) as pool:
        try:
            while waiting or running:
                for step in _ready(waiting, done):
                    del waiting[step.name]
                    running[pool.submit(_perform, step, report)] = step.name
                for future in _next(running):
                    done.add(running.pop(future))
                    future.result()
        except BaseException:
            polling.CANCELLED.set()
            raise


def _ready(waiting: dict[str, Step], done: set[str]) -> list[Step]:
    return [step for step in waiting.values() if done >= set(step.after)]


def _next(running: dict[futures.Future[None], str],
          ) -> set[futures.Future[None]]:
    if not running:
        raise ValueError('steps wait for each other')
    finished, _ = futures.wait(running,
                               return_when=futures.FIRST_COMPLETED)
    return finished


def _perform(step: Step, report: progress.Progress) -> None:
    try:
        with report.step(step.name):
            step.action()
    except errors.SandboxError:
        raise
    except OSError as error:
        raise errors.SandboxError(step.name, str(error)) from error
