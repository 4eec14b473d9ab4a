"""Makes a DLL that only forwards one function to another DLL, for one that Wine lacks."""

from __future__ import annotations

import struct

_FILE_ALIGNMENT, _PAGE = 0x200, 0x1000


def forwarding_dll(name: str, function: str, target: str) -> bytes:
    """Return a DLL for 64-bit Windows without any code: its export table says where to find the function instead.

    Source: Microsoft, PE Format, "The .edata Section": an export whose address lies in the table itself is the name
    of a function in another DLL.

    Args:
        name: Its file name, ASCII.
        function: The one function that it exports.
        target: `DLL.FUNCTION`, which is called instead.
    """
    # The table has 40 bytes; after it come one address, one pointer to a name and one ordinal
    address, pointer, ordinal, texts = _PAGE + 40, _PAGE + 44, _PAGE + 48, _PAGE + 50
    strings = [text.encode("ascii") + b"\0" for text in (name, function, target)]
    at_name = texts
    at_function = at_name + len(strings[0])
    at_target = at_function + len(strings[1])
    table = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, at_name, 1, 1, 1, address, pointer, ordinal)
    exports = table + struct.pack("<IIH", at_target, at_function, 0) + b"".join(strings)

    is_dll = 0x2022  # executable, addresses over 2 GB, DLL
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 0xF0, is_dll)
    standard = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, _FILE_ALIGNMENT, 0, 0, _PAGE)
    windows = struct.pack("<QIIHHHHHH", 0x180000000, _PAGE, _FILE_ALIGNMENT, 6, 0, 0, 0, 6, 0)
    sizes = struct.pack("<IIIIHH", 0, 2 * _PAGE, _FILE_ALIGNMENT, 0, 2, 0x100)
    memory = struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    directories = struct.pack("<II", _PAGE, len(exports)) + bytes(8 * 15)
    section = struct.pack(
        "<8sIIIIIIHHI", b".edata", len(exports), _PAGE, _FILE_ALIGNMENT, _FILE_ALIGNMENT, 0, 0, 0, 0, 0x40000040
    )
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    head = dos + coff + standard + windows + sizes + memory + directories + section
    return head.ljust(_FILE_ALIGNMENT, b"\0") + exports.ljust(_FILE_ALIGNMENT, b"\0")
