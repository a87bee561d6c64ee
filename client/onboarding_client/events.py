"""Server-sent events as they come in (WHATWG HTML, §9.2.6)."""

from collections.abc import Iterator


class EventReader:
    """Takes the bytes of a stream, and gives the ``data`` of each event that is whole.

    ``last_id``: where to resume; an ID may come without an event, after what was not for this reader.
    """

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id
        self._id = last_id
        self._rest = b""
        self._data: list[str] = []

    def read(self, chunk: bytes) -> Iterator[str]:
        """The events these bytes complete."""
        # Only these end a line, not all that Python takes for a line's end: JSON may hold the others.
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            name, _, value = line.decode().partition(":")
            if not line:
                self.last_id = self._id
                if self._data:
                    yield "\n".join(self._data)
                self._data = []
            elif name == "data":
                self._data.append(value.removeprefix(" "))
            elif name == "id":
                self._id = value.removeprefix(" ")
