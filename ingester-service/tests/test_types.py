"""What files are, by their bytes and then by their names."""

from __future__ import annotations

import gzip
import io
import time
import zipfile

import pytest
from artstore_core.errors import TypeNotAllowed
from ingester_service.upload.types import TypePolicy, detect, extension

OOXML = "application/vnd.openxmlformats-officedocument."


def zipped(*names: str, first: bytes | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        if first is not None:
            archive.writestr(zipfile.ZipInfo("mimetype"), first, zipfile.ZIP_STORED)
        for name in names:
            archive.writestr(name, "content " * 50)
    return made.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
PE = b"MZ\x90\x00" + bytes(56) + (64).to_bytes(4, "little") + b"PE\0\0" + bytes(50)


@pytest.mark.parametrize(
    ("filename", "head", "kind"),
    [
        ("a.pdf", b"%PDF-1.7\nhello", "application/pdf"),
        ("a.txt", b"%PDF-1.7\n\x93\x8c\x8b", "application/pdf"),
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        ("noname", b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        ("a.gif", b"GIF89a\1\0\1\0", "image/gif"),
        ("a.bmp", b"BM\x9a\0\0\0\0\0\0\0", "image/bmp"),
        ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        ("a.mp4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "video/mp4"),
        ("a.webm", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
        ("a.mp3", b"ID3\x03\0\0\0\0\0\x10" + bytes(40), "audio/mpeg"),
        ("a.mp3", b"\xff\xfb\x90\x64" + bytes(100), "audio/mpeg"),
        ("a.gz", gzip.compress(b"x" * 100, mtime=0), "application/gzip"),
        ("a.rtf", b"{\\rtf1\\ansi hello}", "application/rtf"),
        (
            "a.docx",
            zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
            f"{OOXML}wordprocessingml.document",
        ),
        ("a.bin", zipped("[Content_Types].xml", "xl/workbook.xml"), f"{OOXML}spreadsheetml.sheet"),
        ("a.pptx", zipped("[Content_Types].xml", "ppt/presentation.xml"), f"{OOXML}presentationml.presentation"),
        ("a.xlsx", zipped("[Content_Types].xml"), f"{OOXML}spreadsheetml.sheet"),
        (
            "a.odt",
            zipped("content.xml", first=b"application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text",
        ),
        ("a.bin", zipped("x", first=b"application/epub+zip"), "application/epub+zip"),
        ("a.docx", zipped("readme.txt"), "application/zip"),
        ("a.zip", zipped("readme.txt"), "application/zip"),
        ("a.doc", OLE, "application/msword"),
        ("a.bin", OLE + "Workbook".encode("utf-16-le"), "application/vnd.ms-excel"),
        ("a.txt", "Привет, мир".encode(), "text/plain"),
        ("a", b"plain words", "text/plain"),
        ("a.txt", "Привет".encode("utf-16"), "text/plain"),
        ("a.txt", "Привет, мир".encode("cp1251"), "text/plain"),
        ("a.csv", b"a;b\n1;2\n", "text/csv"),
        ("a.json", b'{"a": 1}', "application/json"),
        ("a.md", "# Заголовок".encode(), "text/markdown"),
        ("a.xml", b"<?xml version='1.0'?><a/>", "text/xml"),
        ("a.txt", b"<!DOCTYPE html><html>", "text/html"),
        ("a.png", b"  <svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        ("a.png", b"words, not a picture", "text/plain"),
        ("BMW.txt", b"BMW and MZ are names", "text/plain"),
        ("notes.txt", b"MZ is not a program here", "text/plain"),
        ("a.pdf", b"\x93\x11\x88\xf0\x01\x02" * 20, "application/pdf"),
        ("a.unknown", b"\x93\x11\x88\xf0\x01\x02" * 20, "application/octet-stream"),
        ("a.pdf", b"", "application/pdf"),
        ("a", b"", "application/octet-stream"),
        ("half.txt", ("a" * (64 * 1024 - 1) + "я").encode(), "text/plain"),
        ("a.exe.txt", PE, "application/vnd.microsoft.portable-executable"),
        ("a.txt", b"MZ" + bytes(200), "application/vnd.microsoft.portable-executable"),
        ("a", b"\x7fELF\x02\x01\x01" + bytes(50), "application/x-executable"),
        ("a", b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(20), "application/x-mach-binary"),
        ("a", b"\xca\xfe\xba\xbe\0\0\0\x02" + bytes(20), "application/x-mach-binary"),
        ("a", b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(20), "application/java-vm"),
        ("a.txt", b"\xef\xbb\xbf#!/usr/bin/env python3\n", "text/x-shellscript"),
        ("a.zip", zipped("META-INF/MANIFEST.MF", "Main.class"), "application/java-archive"),
        ("a.zip", zipped("AndroidManifest.xml", "classes.dex"), "application/vnd.android.package-archive"),
    ],
)
def test_types(filename: str, head: bytes, kind: str) -> None:
    assert detect(filename, head) == kind


@pytest.mark.parametrize(
    ("filename", "ending"),
    [
        ("a.PDF", "pdf"),
        ("a.tar.gz", "gz"),
        ("a", ""),
        ("a.exe.", "exe"),
        ("a.exe . ", "exe"),
        ("a.ｅｘｅ", "exe"),
        ("\u202egnp.exe", "exe"),
        ("a.ex\u200be", "exe"),
        (".profile", "profile"),
    ],
)
def test_extensions(filename: str, ending: str) -> None:
    assert extension(filename) == ending


def test_the_lists_are_the_operators() -> None:
    with pytest.raises(TypeNotAllowed):
        TypePolicy().admit("a.sh", b"echo")
    assert TypePolicy(blocked_extensions=()).admit("a.sh", b"echo") == "application/x-sh"
    with pytest.raises(TypeNotAllowed):
        TypePolicy(blocked_types={"application/pdf"}).admit("a", b"%PDF-1.7")


def test_a_hostile_head_costs_no_time() -> None:
    started = time.perf_counter()
    for head in (
        b"<!---->" * 100_000,
        b"<!--" * 200_000,
        b"PK\x03\x04" * 200_000,
        b" " * 1_000_000,
        b"<?xml" * 200_000,
    ):
        detect("a.svg", head)
    assert time.perf_counter() - started < 5
