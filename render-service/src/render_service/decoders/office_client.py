"""Run by the system's Python, whose `uno` comes with LibreOffice: has a running LibreOffice make a PDF of one document.

Arguments: the pipe's name, the document's URL, the PDF's URL, the most pages. Exit code: 0; 2 where the document cannot be
opened; 3 where it cannot be printed; 4 where LibreOffice is not there.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.uno import Exception as OfficeError

CONNECT_SECONDS = 30
FILTERS = {
    "com.sun.star.text.TextDocument": "writer_pdf_Export",
    "com.sun.star.sheet.SpreadsheetDocument": "calc_pdf_Export",
    "com.sun.star.presentation.PresentationDocument": "impress_pdf_Export",
}


def main(pipe: str, source: str, target: str, pages: str) -> int:
    desktop = connected(pipe)
    if desktop is None:
        return 4
    # 0: never run macros; never update links. Hidden also means: nobody is asked for a password.
    opening = values(Hidden=True, ReadOnly=True, MacroExecutionMode=0, UpdateDocMode=0)
    try:
        document = desktop.loadComponentFromURL(source, "_blank", 0, opening)
    except OfficeError:
        return 2
    if document is None:
        return 2
    try:
        return printed(document, target, pages)
    finally:
        document.close(True)


def printed(document: Any, target: str, pages: str) -> int:
    for service, name in FILTERS.items():
        if document.supportsService(service):
            chosen = uno.Any("[]com.sun.star.beans.PropertyValue", values(PageRange="1-" + pages))
            try:
                document.storeToURL(target, values(FilterName=name, FilterData=chosen))
            except OfficeError:
                return 3
            return 0
    return 2


def connected(pipe: str) -> Any:
    context = uno.getComponentContext()
    resolver = context.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", context)
    until = time.monotonic() + CONNECT_SECONDS
    while time.monotonic() < until:
        try:
            there = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
            return there.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", there)
        except NoConnectException:
            # It tells nobody when it begins to listen.
            time.sleep(0.05)
    return None


def values(**given: Any) -> tuple[Any, ...]:
    made = []
    for name, value in given.items():
        one = PropertyValue()
        one.Name, one.Value = name, value
        made.append(one)
    return tuple(made)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
