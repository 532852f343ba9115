"""SIP messages cut out of a stream (RFC 3261 section 18.3), in bounded memory whatever the peer sends."""

from __future__ import annotations

from verify.probes.sip_grammar import Malformed
from verify.probes.sip_message import MOST, Message, content_length, read, read_head


class Stream:
    """What has come of a connection and is no whole message yet."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._looked = 0
        self._whole: int | None = None

    def feed(self, data: bytes) -> None:
        """Take what has come; `next` hands over what is whole."""
        self._data += data

    def next(self) -> Message | None:
        """Return the next whole message, None while there is none.

        Raises Malformed where the stream cannot be followed any further.
        """
        if self._whole is None:
            self._whole = self._end()
        if self._whole is None or len(self._data) < self._whole:
            return None
        data = bytes(self._data[: self._whole])
        del self._data[: self._whole]
        self._looked, self._whole = 0, None
        return read(data, stream=True)

    def _end(self) -> int | None:
        """Return how many bytes the first message has, None while its headers have not ended."""
        if self._data.startswith((b"\r", b"\n")):  # keep-alives between messages, RFC 5626 section 3.5.1
            del self._data[: len(self._data) - len(self._data.lstrip(b"\r\n"))]
        blank = self._data.find(b"\r\n\r\n", max(0, self._looked - 3))
        self._looked = len(self._data)
        if blank < 0:
            if len(self._data) > MOST:
                raise Malformed("too large", f"headers did not end within {MOST} bytes")
            return None
        length = content_length(read_head(bytes(self._data[:blank]))[1])
        if length is None:
            raise Malformed("content length", "a message on a stream has no Content-Length")
        if blank + 4 + length > MOST:
            raise Malformed("too large", f"a message of {blank + 4 + length} bytes was announced")
        return blank + 4 + length
