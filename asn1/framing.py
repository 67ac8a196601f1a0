"""A byte stream becomes whole elements: where one APDU ends and the next begins.

A BER element is its own frame. A definite length says where it ends; an indefinite one ends with the
end-of-contents octets that belong to it, so the elements in it have to be stepped over, one header each. No
octet of contents is looked at twice, in whatever pieces the octets arrive. Types are `asn1.codec`'s affair.
"""

from collections.abc import Iterator

from asn1.elements import INDEFINITE, MAX_DEPTH, MAX_ELEMENTS, MAX_OCTETS, read_header
from asn1.errors import WireError

__all__ = ["Framer", "WireError"]

_APPLICATION_CONSTRUCTED = 0x60
_CLASS_AND_FORM = 0xE0


class Framer:
    """Cuts one direction of one connection into elements.

        for octets in framer.feed(data):
            ...

    An element that cannot become an APDU is refused as early as can be: at its first octet, if no APDU can
    begin with it (so an HTTP or SMTP client is cut off at once); at its length, if that claims more than
    `max_octets`; at the first element in it that is one too many. After an error the framer is dead: where an
    element begins can no longer be known.

    Args:
        max_octets: the longest element, in octets.
        max_depth: how deep indefinite lengths may nest.
        max_elements: how many elements there may be in an element, those in a definite length not counted,
            and itself included: stepping over them is all the work that a sender can cause here.
    """

    def __init__(
        self, max_octets: int = MAX_OCTETS, max_depth: int = MAX_DEPTH, max_elements: int = MAX_ELEMENTS
    ) -> None:
        self._max_octets = max_octets
        self._max_depth = max_depth
        self._max_elements = max_elements
        self._buffer = bytearray()
        self._consumed = 0
        """Where the buffer begins in the stream."""
        self._position = 0
        """How far the unfinished element has been stepped over; may lie beyond the buffer."""
        self._open = 0
        """How many indefinite lengths are open."""
        self._count = 0
        """How many elements of the unfinished element have been stepped over, or into."""
        self._error: WireError | None = None

    @property
    def pending(self) -> int:
        """Octets of an element that is not whole yet."""
        return len(self._buffer)

    @property
    def at_boundary(self) -> bool:
        """Whether the stream may end here: every element is whole, and none was refused."""
        return not self._buffer and self._error is None

    @property
    def remainder(self) -> bytes:
        """The octets from where the unfinished, or refused, element begins; at most `max_octets` of them."""
        return bytes(self._buffer[: self._max_octets])

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next octets of the stream, and give the elements that are whole now, in order.

        The octets are taken at once, the elements are made while the result is iterated over: those that are
        whole before an error come first, then the error. What is not iterated over comes with the next call.

        Args:
            data: the next octets, any number.

        Raises:
            WireError: while iterating, each time from the first error on; its offset counts from the start of
                the stream. `remainder` has the octets.
        """
        if self._error is None:
            self._buffer += data
        return self._elements()

    def _elements(self) -> Iterator[bytes]:
        if self._error is not None:
            raise self._error
        try:
            while (end := self._end()) is not None:
                element = bytes(self._buffer[:end])
                del self._buffer[:end]
                self._consumed += end
                self._position = 0
                self._count = 0
                yield element
        except WireError as error:
            self._error = WireError(error.reason, offset=self._consumed + error.offset)
            raise self._error from None

    def _end(self) -> int | None:
        """Step forward; give where the element ends that the buffer begins with, None if it is not whole."""
        while self._position < len(self._buffer):
            if self._at_end or not self._step():
                break
        return self._position if self._at_end and self._position <= len(self._buffer) else None

    @property
    def _at_end(self) -> bool:
        return self._position > 0 and self._open == 0

    def _step(self) -> bool:
        """Step over one header, and its contents if their length is known. False when it is not whole yet."""
        start = self._position
        if start == 0 and self._buffer[0] & _CLASS_AND_FORM != _APPLICATION_CONSTRUCTED:
            raise WireError("the first octet cannot begin an ILL-APDU", offset=0)
        if self._buffer[start] == 0:
            return self._step_over_end_of_contents(start)
        header = read_header(self._buffer, start, len(self._buffer))
        if header is None:
            return False
        self._count += 1
        if self._count > self._max_elements:
            raise WireError(f"more than {self._max_elements} elements", offset=start)
        if header.length == INDEFINITE:
            if self._open == self._max_depth:
                raise WireError(f"indefinite lengths nested more than {self._max_depth} deep", offset=start)
            self._open += 1
            self._position = header.content
        else:
            self._position = header.content + header.length
        # What is open needs two more octets each for its end.
        if self._position + 2 * self._open > self._max_octets:
            raise WireError(
                f"more than {self._max_octets} octets in one element: raise the limit if the sender is right",
                offset=start,
            )
        return True

    def _step_over_end_of_contents(self, start: int) -> bool:
        if start + 1 == len(self._buffer):
            return False
        if self._buffer[start + 1] != 0:
            raise WireError("end-of-contents octets with a length that is not 0", offset=start)
        self._open -= 1
        self._position = start + 2
        return True
