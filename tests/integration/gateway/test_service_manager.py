"""What is told to systemd, and what it passes: over real sockets."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.settings import Listener, ListenerMode, Mail
from iso_gateway.running import service_manager
from iso_gateway.running.service_manager import LONGEST_STATUS, PassedSocketError, ServiceManager
from tests.support.service_manager import ServiceManager as Hearing


@pytest.fixture(params=["path", "abstract"])
def hearing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hearing]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@iso-gateway-test-{os.getpid()}"
    manager = Hearing(address)
    yield manager
    manager.close()


def listener(name: str, port: int, host: str = "127.0.0.1") -> Listener:
    return Listener(name=name, mode=ListenerMode.ONE_WAY, host=host, port=port)


class TestTelling:
    def test_each_state_is_told_with_a_status(self, hearing: Hearing) -> None:
        manager = ServiceManager.from_environment({"NOTIFY_SOCKET": hearing.address})
        manager.starting("opens")
        assert hearing.hear() == ["STATUS=opens"]
        manager.ready("serves")
        assert hearing.hear() == ["READY=1", "STATUS=serves"]
        manager.alive("lives")
        assert hearing.hear() == ["WATCHDOG=1", "STATUS=lives"]
        manager.stopping()
        assert hearing.hear()[0] == "STOPPING=1"

    def test_reloading_is_told_with_its_moment(self, hearing: Hearing) -> None:
        ServiceManager(notify=hearing.address).reloading()
        first, moment, _ = hearing.hear()
        assert first == "RELOADING=1"
        name, value = moment.split("=")
        assert name == "MONOTONIC_USEC"
        assert int(value) > 0

    def test_a_status_is_one_line_and_not_long(self, hearing: Hearing) -> None:
        manager = ServiceManager(notify=hearing.address)
        manager.ready("one\nREADY=0\x1b[31m")
        assert hearing.hear() == ["READY=1", "STATUS=one\\nREADY=0\\x1b[31m"]
        manager.ready("x" * 1000)
        assert len(hearing.hear()[1]) == len("STATUS=") + LONGEST_STATUS

    def test_nobody_is_told_where_nobody_asks(self) -> None:
        with capture_logs() as logs:
            ServiceManager.from_environment({}).ready("serves")
        assert logs == []

    def test_a_service_manager_that_is_gone_stops_nothing(self, tmp_path: Path) -> None:
        with capture_logs() as logs:
            ServiceManager(notify=str(tmp_path / "gone")).ready("serves")
        assert [(one["event"], one["said"]) for one in logs] == [(service_manager.UNHEARD, "READY=1")]


class TestWatchdog:
    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({"WATCHDOG_USEC": "1500000"}, timedelta(seconds=1.5)),
            ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=1.5)),
            ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "often"}, None),
            ({}, None),
        ],
    )
    def test_it_is_for_the_process_that_is_meant(
        self, environment: dict[str, str], expected: timedelta | None
    ) -> None:
        assert ServiceManager.from_environment(environment).watchdog == expected
        assert environment == {}, "no process that we start takes it for its own"


class TestPassedSockets:
    @pytest.fixture
    def cleanup(self) -> Iterator[ExitStack]:
        with ExitStack() as stack:
            yield stack

    def passed(self, cleanup: ExitStack, *given: socket.socket, names: str | None = None) -> ServiceManager:
        """Descriptors in a row, as systemd passes them; `given` are closed."""
        first = max(one.fileno() for one in given) + 100
        for place, one in enumerate(given):
            os.dup2(one.fileno(), first + place)
            one.close()
        environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(given))}
        if names is not None:
            environment["LISTEN_FDNAMES"] = names
        manager = ServiceManager.from_environment(environment, first=first)
        for passed in manager._passed:
            cleanup.callback(passed.socket.close)
        assert environment == {}
        return manager

    def test_they_are_matched_by_port(self, cleanup: ExitStack) -> None:
        one, two = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        ports = [one.getsockname()[1], two.getsockname()[1]]
        manager = self.passed(cleanup, one, two, names="iso-gateway.socket:iso-gateway.socket")
        found = manager.sockets([listener("b", ports[1]), listener("c", 1), listener("a", ports[0])])
        assert {name: [one.getsockname()[1] for one in given] for name, given in found.items()} == {
            "a": [ports[0]],
            "b": [ports[1]],
        }
        assert not found["a"][0].get_inheritable()

    def test_a_name_goes_before_a_port(self, cleanup: ExitStack) -> None:
        one = socket.create_server(("127.0.0.1", 0))
        port = one.getsockname()[1]
        manager = self.passed(cleanup, one, names="named")
        assert set(manager.sockets([listener("other", port), listener("named", 1)])) == {"named"}

    def test_a_host_decides_between_equal_ports(self, cleanup: ExitStack) -> None:
        one = socket.create_server(("127.0.0.2", 0))
        port = one.getsockname()[1]
        manager = self.passed(cleanup, one)
        listeners = [listener("first", port), listener("second", port, "127.0.0.2")]
        assert set(manager.sockets(listeners)) == {"second"}
        with pytest.raises(PassedSocketError, match=r"listeners 'first', 'third' all have this port"):
            manager.sockets([listener("first", port), listener("third", port, "127.0.0.3")])

    def test_two_addresses_of_one_port_are_for_one_listener(self, cleanup: ExitStack) -> None:
        one = socket.create_server(("127.0.0.1", 0))
        port = one.getsockname()[1]
        two = socket.create_server(("127.0.0.2", port))
        [sockets] = self.passed(cleanup, one, two).sockets([listener("both", port, "::")]).values()
        assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1", "127.0.0.2"]

    def test_a_socket_for_nobody_is_an_error_that_names_its_port(self, cleanup: ExitStack) -> None:
        one = socket.create_server(("127.0.0.1", 0))
        port = one.getsockname()[1]
        with pytest.raises(PassedSocketError, match=rf"'odd' on port {port}.*no listener has this name"):
            self.passed(cleanup, one, names="odd").sockets([listener("a", 1)])

    def unix_socket(self, path: Path) -> socket.socket:
        """A Unix socket that listens."""
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(path))
        one.listen()
        return one

    def test_a_unix_socket_is_for_mail_by_its_path(self, cleanup: ExitStack, tmp_path: Path) -> None:
        path = tmp_path / "lmtp"
        manager = self.passed(cleanup, self.unix_socket(path))
        assert set(manager.sockets([listener("a", 1)], Mail(lmtp_socket=str(path)))) == {"lmtp"}

    def test_a_unix_socket_is_for_mail_by_its_name(self, cleanup: ExitStack, tmp_path: Path) -> None:
        manager = self.passed(cleanup, self.unix_socket(tmp_path / "lmtp"), names="lmtp")
        assert set(manager.sockets([], Mail(lmtp_socket="/elsewhere"))) == {"lmtp"}
        with pytest.raises(PassedSocketError, match=r"\[mail\] has no lmtp_socket: set it to this path"):
            manager.sockets([], Mail(lmtp_host="127.0.0.1"))

    @pytest.mark.parametrize("name", ["", "a"])
    def test_a_unix_socket_is_for_no_listener(self, cleanup: ExitStack, tmp_path: Path, name: str) -> None:
        path = tmp_path / "lmtp"
        manager = self.passed(cleanup, self.unix_socket(path), names=name)
        for mail in (None, Mail(lmtp_socket="/elsewhere")):
            with pytest.raises(
                PassedSocketError, match=f"'{path}' was passed, and no listener has it: set lm"
            ):
                manager.sockets([listener("a", 1)], mail)

    def test_a_port_is_for_mail_by_its_number(self, cleanup: ExitStack) -> None:
        one = socket.create_server(("127.0.0.1", 0))
        port = one.getsockname()[1]
        manager = self.passed(cleanup, one)
        mail = Mail(lmtp_host="127.0.0.1", lmtp_port=port)
        assert set(manager.sockets([listener("a", 1)], mail)) == {"lmtp"}
        # On another address a listener may have the same port, and then the name has to tell.
        assert set(manager.sockets([listener("a", port)], mail)) == {"a"}
        with pytest.raises(PassedSocketError, match="no listener has this name or port"):
            manager.sockets([listener("a", 1)], Mail(lmtp_port=port))

    def test_a_port_is_for_mail_by_its_name(self, cleanup: ExitStack) -> None:
        manager = self.passed(cleanup, socket.create_server(("127.0.0.1", 0)), names="lmtp")
        assert set(manager.sockets([], Mail(lmtp_host="127.0.0.1", lmtp_port=1))) == {"lmtp"}
        with pytest.raises(PassedSocketError, match=r"\[mail\] has no lmtp_host: set it, and lmtp_port"):
            manager.sockets([], Mail(lmtp_socket="/elsewhere"))

    @pytest.mark.parametrize("name", ["", "lmtp"])
    def test_no_port_for_mail_is_open_to_other_machines(self, cleanup: ExitStack, name: str) -> None:
        one = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - it is refused
        mail = Mail(lmtp_host="127.0.0.1", lmtp_port=one.getsockname()[1])
        manager = self.passed(cleanup, one, names=name)
        with pytest.raises(PassedSocketError, match=r"can be reached from other machines \('0\.0\.0\.0'\)"):
            manager.sockets([], mail)

    def test_what_was_passed_to_another_process_is_left_alone(self) -> None:
        environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2"}
        assert ServiceManager.from_environment(environment).sockets([]) == {}
        assert environment == {}

    def test_what_does_not_listen_is_refused(self, cleanup: ExitStack) -> None:
        for one in (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            socket.socket(socket.AF_INET, socket.SOCK_STREAM),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        ):
            with pytest.raises(PassedSocketError, match="no stream socket that listens"):
                self.passed(cleanup, one)

    def test_what_is_no_socket_is_refused(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("wb") as file:
            environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
            with pytest.raises(PassedSocketError, match="is no socket"):
                ServiceManager.from_environment(environment, first=file.fileno())
