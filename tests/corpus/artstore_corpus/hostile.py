"""Files that were made to do harm, or that were harmed."""

from __future__ import annotations

import copy
import struct
import zipfile
import zlib
from pathlib import Path

import docx as python_docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import qn
from PIL import Image

from artstore_corpus import documents, pictures

SECRET = Path("/etc/passwd")
_PNG = bytes.fromhex("89504e470d0a1a0a")


def text(path: Path) -> None:
    path.write_text("#!/bin/sh\necho this is no picture\n" * 20)


def empty(path: Path) -> None:
    path.touch()


def truncated(path: Path) -> None:
    pictures.photo(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


def zeros(path: Path, side: int = 32_768) -> None:
    """A PNG that is a megabyte and unpacks to a gibibyte of zeros (PNG, W3C Recommendation, §5)."""
    lines = bytes((side + 1) * 64)
    times = side // 64
    packer = zlib.compressobj(9)
    head = packer.compress(lines) + packer.flush(zlib.Z_FULL_FLUSH)
    same = packer.compress(lines) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.flush()[:-4]
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(lines, checksum)
    png(path, side, side, head + same * (times - 1) + end + struct.pack(">I", checksum))


def png(path: Path, width: int, height: int, packed: bytes, *, interlaced: bool = False) -> None:
    """Grey, eight bits. `packed`: its lines, each behind its filter's byte, by zlib."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, int(interlaced))
    path.write_bytes(_PNG + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b""))


def svg_with_script(path: Path) -> None:
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">'
        "<script>while (true) {}</script>"
        f'<image xlink:href="file://{SECRET}" width="9" height="9"/><image href="http://127.0.0.1:1/a.png" width="9" height="9"/>'
        '<rect width="20" height="20" fill="red" onload="alert(1)"/></svg>'
    )


def svg_that_links(path: Path) -> None:
    """It would show a blue picture that lies on the disk."""
    blue = _blue(path)
    links = "".join(
        f'<image {name}="{where}" x="20" width="20" height="20"/>'
        for name in ("href", "xlink:href")
        for where in (blue.name, blue.as_uri(), str(blue))
    )
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">'
        f'<rect width="20" height="20" fill="#f00"/>{links}</svg>'
    )


def docx_that_links(path: Path) -> None:
    """The same, as Word writes a picture that is not in the document."""
    blue = _blue(path)
    document = python_docx.Document()
    document.add_picture(str(blue))
    relation = next(one for one in document.part.rels.values() if one.reltype == RELATIONSHIP_TYPE.IMAGE)
    linked = document.part.relate_to(blue.as_uri(), RELATIONSHIP_TYPE.IMAGE, is_external=True)
    body = document.element.body
    for picture in body.iter(qn("a:blip")):
        assert picture.get(qn("r:embed")) == relation.rId
        del picture.attrib[qn("r:embed")]
        picture.set(qn("r:link"), linked)
    document.part.drop_rel(relation.rId)
    document.save(str(path))


def _blue(beside: Path) -> Path:
    blue = beside.with_name("blue.png")
    Image.new("RGB", (300, 300), (0, 0, 255)).save(blue)
    return blue


def svg_with_entities(path: Path) -> None:
    """A billion laughs, and a file of the system's."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    path.write_text(
        f'<!DOCTYPE svg [<!ENTITY l0 "ha">{laughs}<!ENTITY file SYSTEM "file://{SECRET}">]>'
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="20"><text y="15">&file;&l9;</text></svg>'
    )


def play_list(path: Path) -> None:
    """A list of other files, in the name of a video."""
    path.write_text(f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile://{SECRET}\n#EXT-X-ENDLIST\n")


def zip_bomb(path: Path) -> None:
    """A document whose list names the same sixteen mebibytes of blanks a hundred times (D. Fifield, A better zip bomb)."""
    documents.docx(path, 1)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/blank.xml", b" " * 2**24)
        blank = package.getinfo("word/blank.xml")
        for number in range(100):
            again = copy.copy(blank)
            again.filename = f"word/blank{number}.xml"
            package.filelist.append(again)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
