#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compare the RAM files of a stopped VM on both hosts, byte by byte.

compare.py serve            on both hosts, all the time: hand out the RAM file
compare.py check RESULT     at the source, by 'vmmig-qemu --hook-stopped'

What the destination has goes over plain TCP, without the holes: those are
zeros, and must be zeros here too. RESULT gets what was found, as JSON. Ends
with 0 also if something differs, so that the report can show all of it.
"""
import json
import os
import socket
import struct
import sys
import time

RAM = "/dev/shm/g.ram"
PORT = 7777
PIECE = 1 << 20
PAGE = 4096
HEAD = struct.Struct("<QQ")     # offset and length of what follows; the end: size, 0


def extents(fd, start, end):
    """Parts of a sparse file that are no holes: (start, end)"""
    while start < end:
        try:
            data = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:         # ENXIO: only a hole is left
            return
        if data >= end:
            return
        start = min(os.lseek(fd, data, os.SEEK_HOLE), end)
        yield data, start


def hand_out(conn):
    fd = os.open(RAM, os.O_RDONLY)
    size = os.fstat(fd).st_size
    for start, end in extents(fd, 0, size):
        conn.sendall(HEAD.pack(start, end - start))
        while start < end:
            start += os.sendfile(conn.fileno(), fd, start, end - start)
    conn.sendall(HEAD.pack(size, 0))
    os.close(fd)


def serve():
    listener = socket.create_server(("", PORT))
    while True:
        conn, _ = listener.accept()
        try:
            hand_out(conn)
        except OSError as e:
            print(e, file=sys.stderr, flush=True)
        conn.close()


class Comparison:
    def __init__(self, fd):
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.compared = self.bytes = self.pages = 0
        self.first = None

    def piece(self, offset, there):
        here = os.pread(self.fd, len(there), offset)
        if len(here) != len(there):
            raise ValueError(f"the RAM file here ends at {self.size}, there it goes on")
        self.compared += len(there)
        if here == there:
            return
        for p in range(0, len(there), PAGE):
            a, b = here[p:p + PAGE], there[p:p + PAGE]
            if a != b:
                self.pages += 1
                self.bytes += sum(x != y for x, y in zip(a, b))
                if self.first is None:
                    self.first = offset + p

    def hole(self, start, end):
        """The destination has zeros from start to end"""
        for data, stop in extents(self.fd, start, end):
            for at in range(data, stop, PIECE):
                n = min(PIECE, stop - at)
                self.piece(at, bytes(n))
                self.compared -= n
        self.compared += end - start


def take(stream, n):
    data = stream.read(n)
    if len(data) != n:
        raise ValueError("the other host ended the connection early")
    return data


def check(host):
    c = Comparison(os.open(RAM, os.O_RDONLY))
    with socket.create_connection((host, PORT), 20) as conn, conn.makefile("rb", PIECE) as stream:
        done = 0
        while True:
            offset, length = HEAD.unpack(take(stream, HEAD.size))
            c.hole(done, min(offset, c.size))
            if not length:
                break
            done = offset + length
            while offset < done:
                n = min(PIECE, done - offset)
                c.piece(offset, take(stream, n))
                offset += n
    if offset != c.size:
        raise ValueError(f"the RAM file has {c.size} bytes here and {offset} bytes there")
    return {"compared": c.compared, "bytes": c.bytes, "pages": c.pages, "first": c.first}


def main():
    if sys.argv[1] == "serve":
        serve()
    result, start = {"running": True}, time.monotonic()
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(result, f)
    try:
        result = check(os.environ["VMMIG_DESTHOST"])
    except (OSError, ValueError) as e:
        result = {"error": str(e)}
    result["seconds"] = time.monotonic() - start
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(result, f)


main()
