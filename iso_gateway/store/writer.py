"""The one thread that writes.

SQLite has one writer at a time; a thread of its own keeps its fsyncs off the event loop and makes the order
of writes the order of submission. A result is delivered only after its commit has returned: whoever has it
may acknowledge.

Theory of operation. Callables that wait at the same time share a commit, as far as their number and the time
that they take allow. A savepoint for each would cost more than most of them do, and hardly any ever fails. So
there is none: when one fails, what they did together is undone, and each is done again by itself.

On PostgreSQL other gateways write too. A callable that loses to one of them (both began the same transaction
in the same moment, or each waited for the other) is undone and done again on what the other has left; so is
one whose connection broke before its commit. Callables therefore have to be ready to run more than once: what
they do besides the unit of work must not matter.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from iso_gateway.errors import StoreError
from iso_gateway.store.contention import HEAD_START, give_way, may_be_done_again
from iso_gateway.store.unit_of_work import Store, UnitOfWork

T = TypeVar("T")

#: How many callables may share a commit, and for how long, in seconds, they may join it.
BATCH: Final = 32
SHARE_FOR: Final = 0.05


class _Job(Generic[T]):
    """A callable on its way through the writer, and whoever waits for its result."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[UnitOfWork], T]) -> None:
        self.function = function
        self.future: Future[T] = Future()


class Writer:
    """Runs callables one after the other, in units of work, on one thread.

    Args:
        store: where they write.
        batch: how many callables may share a commit.
        share_for: for how long, in seconds, callables may join a commit: those that come later wait for it,
            and on SQLite every other process does.
    """

    def __init__(self, store: Store, *, batch: int = BATCH, share_for: float = SHARE_FOR) -> None:
        self._store = store
        self._batch = batch
        self._share_for = share_for
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="store-writer")
        self._thread.start()

    def submit(self, function: Callable[[UnitOfWork], T]) -> Future[T]:
        """Queue a callable; the future gets its result once on disk, or its exception once undone.

        Cancelling the future works until the callable has begun. Raises StoreError after `close`.
        """
        job = _Job(function)
        with self._lock:
            if self._closed:
                raise StoreError("the store's writer is closed; nothing more can be written by this process")
            self._jobs.put(job)
        return job.future

    async def run(self, function: Callable[[UnitOfWork], T]) -> T:
        """`submit`, and wait for the result without holding up the event loop.

        A cancelled caller may still have written: what has begun is finished.
        """
        return await asyncio.wrap_future(self.submit(function))

    def close(self) -> None:
        """Finish everything submitted so far, and stop. Blocks; closing twice is harmless."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            for job in self._together(first):
                self._alone(job)

    def _sharing(self, first: _Job[Any]) -> Iterator[_Job[Any]]:
        """The callables of one commit: those that wait by the time that the ones before them are done."""
        number, end = 0, time.monotonic() + self._share_for
        job: _Job[Any] | None = first
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                yield job
            number += 1
            if number >= self._batch or time.monotonic() >= end:
                return
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
        self._jobs.put(None)  # seen again after this commit: nothing is submitted behind it

    def _together(self, first: _Job[Any]) -> Sequence[_Job[Any]]:
        """Do a callable and those behind it in one commit; gives those that have to be done again."""
        done: list[tuple[_Job[Any], Any]] = []
        running: list[_Job[Any]] = []
        begun = committing = False
        try:
            with self._store.unit_of_work() as uow:
                begun = True
                for job in self._sharing(first):
                    running.append(job)
                    done.append((job, job.function(uow)))
                committing = True
        except BaseException as error:  # noqa: BLE001  (given to the callers, whatever it is)
            if not begun:
                # The database cannot be written to: it could not for any of those that waited meanwhile.
                running.extend(self._sharing(first))
            elif may_be_done_again(error, committing=committing) or (len(running) > 1 and not committing):
                give_way(error, HEAD_START)
                return running
            for job in running:
                job.future.set_exception(error)
            return ()
        for job, result in done:
            job.future.set_result(result)
        return ()

    def _alone(self, job: _Job[Any]) -> None:
        """Do one callable in a commit of its own."""
        try:
            result = self._store.perform(job.function)
        except BaseException as error:  # noqa: BLE001  (given to the caller, whatever it is)
            job.future.set_exception(error)
        else:
            job.future.set_result(result)
