"""The one thread that writes.

SQLite has one writer at a time; a thread of its own keeps its fsyncs off the event loop and makes the order
of writes the order of submission. A result is delivered only after its commit has returned: whoever has it
may acknowledge.

On PostgreSQL other gateways write too. A callable that loses to one of them (both began the same transaction
in the same moment, or each waited for the other) is undone and done again on what the other has left; so is
one whose connection broke before its commit. Callables therefore have to be ready to run twice: what they do
besides the unit of work must not matter.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from iso_gateway.errors import ConflictError, DisconnectedError, StoreError
from iso_gateway.store.unit_of_work import Store, UnitOfWork

T = TypeVar("T")

#: How often a callable is done again that lost to another process.
REPETITIONS: Final = 3
#: How long it waits before that, in seconds.
HEAD_START: Final = 0.02


class _Job(Generic[T]):
    """A callable on its way through the writer, and what became of it."""

    __slots__ = ("_error", "_result", "function", "future")

    def __init__(self, function: Callable[[UnitOfWork], T]) -> None:
        self.function = function
        self.future: Future[T] = Future()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self, uow: UnitOfWork) -> None:
        """Do it; its own failure undoes its own savepoint and nothing else.

        Raises:
            DisconnectedError: there is no database any more to do anything in.
        """
        self._error = None
        try:
            with uow.savepoint():
                self._result = [self.function(uow)]
        except DisconnectedError:
            raise
        except BaseException as error:  # noqa: BLE001  (given to the caller, whatever it is)
            self._error = error

    @property
    def lost(self) -> bool:
        """Whether it failed only because another process was faster."""
        return isinstance(self._error, ConflictError)

    def deliver(self) -> None:
        """Give the result, or the exception, to whoever waits for it."""
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result[0])


class Writer:
    """Runs callables one after the other, each in a unit of work, on one thread."""

    def __init__(self, store: Store, *, batch: int = 1) -> None:
        """Start the thread. `batch`: how many waiting callables may share a commit, each in its savepoint."""
        self._store = store
        self._batch = batch
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
        while (jobs := self._take()) is not None:
            self._commit([job for job in jobs if job.future.set_running_or_notify_cancel()])

    def _take(self) -> Sequence[_Job[Any]] | None:
        """Wait for a job; take those behind it too, as far as they may share its commit. None is the end."""
        first = self._jobs.get()
        if first is None:
            return None
        taken = [first]
        while len(taken) < self._batch:
            try:
                following = self._jobs.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._jobs.put(None)  # seen again after this commit: nothing is submitted behind it
                break
            taken.append(following)
        return taken

    def _commit(self, jobs: Sequence[_Job[Any]]) -> None:
        for job in self._attempt(jobs):
            tries = 1
            # The other gets ahead meanwhile: at once, the same may happen again.
            time.sleep(HEAD_START)
            while self._attempt([job], last=tries == REPETITIONS):
                time.sleep(HEAD_START * tries)
                tries += 1

    def _attempt(self, jobs: Sequence[_Job[Any]], *, last: bool = False) -> Sequence[_Job[Any]]:
        """Do callables in one commit, and deliver what came of them; gives those to be done again."""
        if not jobs:
            return ()
        committing = False
        try:
            with self._store.unit_of_work() as uow:
                for job in jobs:
                    job.run(uow)
                committing = True
        except BaseException as error:  # noqa: BLE001  (the commit failed: nobody's result is on disk)
            # A connection that breaks during the commit leaves open whether it was done: not twice, then.
            undone = isinstance(error, ConflictError) or (
                isinstance(error, DisconnectedError) and not committing
            )
            if undone and not last:
                return jobs
            for job in jobs:
                job.future.set_exception(error)
            return ()
        for job in jobs:
            if last or not job.lost:
                job.deliver()
        return () if last else [job for job in jobs if job.lost]
