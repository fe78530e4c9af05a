#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the first inputs of each fuzz target: requests as a driver makes them, and the usual mistakes."""

import gzip
import io
import json
import pathlib
import struct
import tarfile

HERE = pathlib.Path(__file__).resolve().parent / "corpus"
RINGS, BUFFER = 0x1000, 0x5000
NEXT, WRITE, INDIRECT = 1, 2, 4


def rings(chain, data=b"", index=1, heads=(0,), queue=0, buffer=BUFFER):
    """Guest memory from RINGS on: one queue's rings with a chain, and data where its buffers are."""
    memory = bytearray(0x8000)
    at = queue * 0x400
    for i, (address, length, flags) in enumerate(chain):
        more = NEXT if i + 1 < len(chain) else 0
        struct.pack_into("<QIHH", memory, at + 16 * i, address, length, flags | more, i + 1)
    struct.pack_into("<HH", memory, at + 0x100, 0, index)
    for i, head in enumerate(heads):
        struct.pack_into("<H", memory, at + 0x104 + 2 * i, head)
    memory[buffer - RINGS : buffer - RINGS + len(data)] = data
    return bytes(memory).rstrip(b"\0")


def write(target, inputs):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in inputs.items():
        (folder / name).write_bytes(data)


def tar(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, contents in members:
            member = tarfile.TarInfo(name)
            data = contents if isinstance(contents, bytes) else b""
            if isinstance(contents, tuple):
                member.type, member.linkname = contents
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue().rstrip(b"\0") + b"\0" * 1536  # the last block's rest and the end mark


def layers(first, second):
    return b"\5" + struct.pack("<H", len(first)) + first + second


def container_images():
    blob = {"digest": "sha256:" + "a" * 64, "size": 5}
    oci, link, hard = "application/vnd.oci.image.", tarfile.SYMTYPE, tarfile.LNKTYPE
    layer, config = {"mediaType": oci + "layer.v1.tar", **blob}, {"mediaType": oci + "config.v1+json", **blob}
    manifest = {"mediaType": oci + "manifest.v1+json", "platform": {"os": "linux", "architecture": "amd64"}, **blob}
    inside = {"Env": ["A=b", "c"], "Entrypoint": ["/x"], "Cmd": None, "WorkingDir": "/", "User": "a:b"}
    documents = {
        "index": (0, {"manifests": [manifest, {"annotations": {"a": "b"}, **manifest}]}),
        "manifest": (1, {"config": config, "layers": [layer, layer]}),
        "config": (2, {"os": "linux", "config": inside, "rootfs": {"diff_ids": [blob["digest"]]}}),
        "saved": (3, [{"Config": "c", "RepoTags": ["a:1"], "Layers": ["l"]}]),
    }
    inputs = {name: bytes([kind]) + json.dumps(document).encode() for name, (kind, document) in documents.items()}
    lower = tar(("d/a", b"1"), ("lib", (link, "d")), ("h", (hard, "d/a")))
    inputs["archive"] = b"\4" + tar(("a/layer.tar", b"x"), ("b/layer.tar", (link, "../a/layer.tar")))
    inputs["layers"] = layers(lower, tar(("d/.wh.a", b""), ("lib/b", b"2")))
    inputs["opaque"] = layers(lower, tar(("lib/new", b"3"), ("lib/.wh..wh..opq", b"")))
    inputs["circle"] = layers(tar(("a", (link, "b")), ("b", (link, "a"))), tar(("a/x", b"")))
    inputs["gzip"] = layers(gzip.compress(lower, mtime=0), gzip.compress(lower, mtime=0))
    return inputs


def block(kind, sector, *data, payload=b""):
    header = struct.pack("<IIQ", kind, 0, sector)
    return rings([(BUFFER, 16, 0), *data, (BUFFER + 0x1000, 1, WRITE)], header + payload)


def ethernet(direction, kind, payload):
    return bytes([direction]) + bytes.fromhex("52550a000202020102030405") + struct.pack(">H", kind) + payload


def ipv4(protocol, source, destination, payload):
    head = struct.pack(">BBHIBBH4s4s", 0x45, 0, 20 + len(payload), 0, 64, protocol, 0, source, destination)
    return head + payload


def dns(flags, name, records=()):
    question = b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0\0\1\0\1"
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for kind, data in records)
    return struct.pack(">HHHHHH", 1, flags, 1, len(records), 0, 0) + question + body


def network_frames():
    guest, resolver, other = bytes((10, 0, 2, 15)), bytes((10, 0, 2, 3)), bytes((192, 0, 2, 1))

    def udp(source_port, destination_port, payload):
        return struct.pack(">HHHH", source_port, destination_port, 8 + len(payload), 0) + payload

    answer = dns(0x8180, b"b.example", [(1, other), (5, b"\1a\xc0\x0e")])
    guest6, other6 = bytes.fromhex("fd746c00" + "0" * 22 + "15"), bytes.fromhex("20010db8" + "0" * 23 + "1")
    return {
        "arp": ethernet(1, 0x806, bytes(28)),
        "tcp": ethernet(1, 0x800, ipv4(6, guest, other, bytes(20))),
        "query": ethernet(1, 0x800, ipv4(17, guest, resolver, udp(4000, 53, dns(0x100, b"b.example")))),
        "answer": ethernet(0, 0x800, ipv4(17, resolver, guest, udp(53, 4000, answer))),
        "answer_loop": ethernet(0, 0x800, ipv4(17, resolver, guest, udp(53, 4000, dns(0x8180, b"\xc0\x0c")))),
        "ipv6": ethernet(1, 0x86DD, struct.pack(">IHBB", 6 << 28, 20, 6, 64) + guest6 + other6 + bytes(20)),
    }


def dockerfiles():
    return {
        "stages": b"ARG B=a\nFROM $B AS one\nRUN make \\\n # no\n all\nFROM one\nCOPY --from=one --chown=1:2 [\"x\", \"/y z\"]\n",
        "heredocs": b"FROM a\nRUN <<E cat <<-'F'\nx\nE\n\ty\n\tF\nRUN <<EOF\nnever",
        "escape": b"# escape=`\r\nFROM a\r\nRUN dir `\r\nc:\\\r\n",
        "words": b"FROM a\nENV A=\"$B ${C:-${D:+'}'}}\" E\\ F=g\nADD ../../x* [a-z /\n",
        "braces": b"FROM a\nENV A=" + b"${B:-" * 100,
        "bytes": b"FROM \xff\xfe\nRUN \0\n",
        "ignore": b"**/a\n!b/**/[c-\n*?\\\n",
        "json": b"FROM a\nCMD [[[[\nCMD [\"\\ud800\"]\n",
    }


def main():
    write("fuzz_network", network_frames())
    write("fuzz_dockerfile", dockerfiles())
    loop = bytearray(rings([(BUFFER, 8, 0), (BUFFER, 8, 0)]))
    struct.pack_into("<HH", loop, 16 + 12, NEXT, 0)
    table = struct.pack("<QIHH", BUFFER + 64, 32, WRITE, 0)
    write(
        "fuzz_queue",
        {
            "one": b"\0\0\0" + rings([(BUFFER, 8, 0)]),
            "both-ways": b"\1\0\0" + rings([(BUFFER, 8, 0), (BUFFER, 8, WRITE)]),
            "wrong-order": b"\0\0\0" + rings([(BUFFER, 8, WRITE), (BUFFER, 8, 0)]),
            "loop": b"\0\0\0" + bytes(loop),
            "outside": b"\0\0\0" + rings([(1 << 40, 8, 0)]),
            "wraps": b"\0\0\0" + rings([((1 << 64) - 4, 8, 0)]),
            "long": b"\0\0\0" + rings([(BUFFER, 0xFFFFFFFF, 0)]),
            "too-many": b"\1\0\0" + rings([(BUFFER, 8, 0)], index=40000),
            "no-such-head": b"\0\0\0" + rings([(BUFFER, 8, 0)], heads=(999,)),
            "indirect": b"\3\0\0" + rings([(BUFFER, 16, INDIRECT)], table),
            "indirect-odd": b"\3\0\0" + rings([(BUFFER, 17, INDIRECT)], table),
            "wrapping-index": b"\1\xff\xff" + rings([(BUFFER, 8, 0)], index=0),
        },
    )
    sector = (BUFFER + 0x800, 512, WRITE)
    ranges = struct.pack("<QII", 0, 8, 0)
    control = [(BUFFER, 8, 0)]
    write(
        "fuzz_devices",
        {
            "block-read": b"\0\0\0\0\0" + block(0, 0, sector),
            "block-read-end": b"\0\0\0\0\0" + block(0, 2047, sector),
            "block-overflow": b"\0\0\0\0\0" + block(0, (1 << 64) - 1, sector),
            "block-write": b"\0\0\0\0\0" + block(1, 1, (BUFFER + 0x800, 512, 0)),
            "block-flush": b"\0\0\0\0\0" + block(4, 0),
            "block-discard": b"\0\0\0\0\0" + block(11, 0, (BUFFER + 16, 16, 0), payload=ranges),
            "block-zeroes": b"\0\0\0\0\0" + block(13, 0, (BUFFER + 16, 16, 0), payload=ranges),
            "block-name": b"\0\0\0\0\0" + block(8, 0, (BUFFER + 0x800, 20, WRITE)),
            "console-ready": b"\1\x33\x33\x33\x33" + rings(control, struct.pack("<IHH", 0, 0, 1), queue=3),
            "console-open": b"\1\x33\x33\x33\x33" + rings(control, struct.pack("<IHH", 0, 6, 1), queue=3),
            "console-data": b"\1\x11\x11\x11\x11" + rings([(BUFFER, 100, 0)], b"x" * 100, queue=1),
            "net-frame": b"\2\x11\x11\x11\x11" + rings([(BUFFER, 72, 0)], b"\0" * 72, queue=1),
            "net-receive": b"\2\x20\0\0\0" + b"f" * 32 + rings([(BUFFER, 1600, WRITE)]),
            "rng": b"\3\0\0\0\0" + rings([(BUFFER, 64, WRITE)]),
            "balloon-inflate": b"\4\0\0\0\0" + rings([(BUFFER, 12, 0)], struct.pack("<III", 8, 9, 0xFFFFFFFF)),
            "balloon-report": b"\4\x22\x22\x22\x22" + rings([(0x8000, 4096, WRITE)], queue=2),
        },
    )

    def store(register, value):
        return struct.pack("<BHI", 1 | 2 << 2, register, value)

    start = store(0x70, 1) + store(0x70, 3) + store(0x24, 1) + store(0x20, 1) + store(0x24, 0)
    start += store(0x20, 0) + store(0x70, 11) + store(0x30, 0) + store(0x38, 16) + store(0x80, 0x1000)
    start += store(0x90, 0x1100) + store(0xA0, 0x1200) + store(0x44, 1) + store(0x70, 15)
    write(
        "fuzz_mmio",
        {
            "start": start,
            "start-and-ring": start + b"\3\0\0",
            "start-and-reset": start + b"\3\0\0" + store(0x70, 0),
            "start-twice": start + store(0x70, 0) + start,
            "ready-late": start + store(0x30, 1) + store(0x44, 1),
            "queue-off": start + store(0x44, 0) + b"\3\0\0",
            "unaligned": struct.pack("<BHB", 1, 0x71, 3) + struct.pack("<BH", 3 << 2, 0xFF),
            "config": struct.pack("<BH", 3 << 2, 0x100) + struct.pack("<BH", 0, 0x10F),
        },
    )
    write("fuzz_oci", container_images())


main()
