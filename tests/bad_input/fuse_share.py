"""A program: mounts an empty FUSE file system that only it can see, and runs another program in it.

``python fuse_share.py FOLDER PROGRAM``; exits with 77 where this user may not mount. Here to show the kind of file
system that network shares are; the few requests that a look at an empty folder makes are answered by hand.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
import sys
import threading

NOT_ALLOWED = 77

NEW_MOUNTS, RECURSIVE_PRIVATE = 0x20000, 0x4000 | 0x40000
LOOKUP, FORGET, GETATTR, STATFS, INIT, BATCH_FORGET = 1, 2, 3, 17, 26, 42


def mount(folder: str) -> int:
    """Mounts it in a space of mounts that ends with this process; the descriptor that asks."""
    libc = ctypes.CDLL(None, use_errno=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    for failed in (
        lambda: libc.unshare(NEW_MOUNTS),
        lambda: libc.mount(b"none", b"/", None, RECURSIVE_PRIVATE, None),
        lambda: libc.mount(b"share", os.fsencode(folder), b"fuse", 0, options),
    ):
        if failed() != 0:
            raise OSError(ctypes.get_errno(), "mount")
    return device


def answer(opcode: int, request: bytes) -> tuple[int, bytes]:
    """An error number and the body, as linux/fuse.h has them."""
    if opcode == INIT:
        ahead = struct.unpack_from("=I", request, 48)[0]
        return 0, struct.pack("=IIIIHHIIHH8I", 7, 31, ahead, 0, 12, 9, 65_536, 1, 0, 0, *[0] * 8)
    if opcode == GETATTR:
        return 0, struct.pack("=QII6Q10I", 1, 0, 0, 1, *[0] * 8, 0o40777, 2, 0, 0, 0, 4096, 0)
    if opcode == STATFS:
        return 0, struct.pack("=5Q4I6I", *[1000] * 5, 4096, 255, 4096, 0, *[0] * 6)
    return (errno.ENOENT if opcode == LOOKUP else errno.ENOSYS), b""


def serve(device: int) -> None:
    while True:
        request = os.read(device, 1 << 17)
        _, opcode, unique = struct.unpack_from("=IIQ", request)
        if opcode not in (FORGET, BATCH_FORGET):
            error, body = answer(opcode, request)
            os.write(device, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)


def main(folder: str, program: str) -> int:
    try:
        device = mount(folder)
    except OSError as error:
        print(error, file=sys.stderr)
        return NOT_ALLOWED
    threading.Thread(target=serve, args=(device,), daemon=True).start()
    return subprocess.run([sys.executable, "-c", program, folder], check=False, timeout=20).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
