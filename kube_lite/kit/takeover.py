"""A connection taken from the protocol that has it, such as HTTP, to be read and written as streams."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def taken_over(transport: asyncio.Transport, limit: int) -> Iterator[tuple[StreamReader, StreamWriter]]:
    """The streams of a connection, for the length of the block; it is given back closed.

    Args:
        limit: how many bytes are read ahead.
    """
    before = transport.get_protocol()
    reader = StreamReader(limit=limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    try:
        yield reader, StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
    finally:
        transport.set_protocol(before)
        transport.close()
