"""What people type who want a page to run something of theirs: each would show itself by a dialog, by an element that is
no text, or by what the page's policy had to keep out."""

from __future__ import annotations

from typing import Final

PAYLOADS: Final = (
    "<script>alert(1)</script>",
    "</title><script>alert(2)</script>",
    '"><script>alert(3)</script>',
    "'><img src=x onerror=alert(4)>",
    "<img src=x onerror=alert(5)>",
    "<img src=x:x onerror=alert`6`>",
    "<svg onload=alert(7)>",
    "<svg><script>alert(8)</script></svg>",
    "<svg><animate onbegin=alert(9) attributeName=x dur=1s>",
    "<math><mtext><img src=x onerror=alert(10)></mtext></math>",
    '<iframe src="javascript:alert(11)"></iframe>',
    '<iframe srcdoc="<script>alert(12)</script>"></iframe>',
    "<body onload=alert(13)>",
    "<details open ontoggle=alert(14)>",
    "<input autofocus onfocus=alert(15)>",
    "<video><source onerror=alert(16)></video>",
    "<marquee onstart=alert(17)>",
    '<a href="javascript:alert(18)">x</a>',
    '<form action="javascript:alert(19)"><button>x</button></form>',
    '" onmouseover="alert(20)" x="',
    "' autofocus onfocus='alert(21)",
    '" autofocus onfocus=alert(22) x="',
    "javascript:alert(23)",
    "data:text/html,<script>alert(24)</script>",
    "</textarea><script>alert(25)</script>",
    "</script><script>alert(26)</script>",
    "<!--><img src=x onerror=alert(27)>-->",
    "<![CDATA[<img src=x onerror=alert(28)>]]>",
    "&lt;script&gt;alert(29)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(30)&#62;",
    "{{ 7*7 }}{{ config }}",
    "{% import os %}{{ ''.__class__.__mro__ }}",
    "${alert(33)}<%= 7*7 %>",
    '<div hx-get="/admin/" hx-trigger="load">x</div>',
    "<div hx-on::load=\"alert(35)\" hx-vals='js:{a: alert(35)}'>x</div>",
    '<meta http-equiv=refresh content="0;url=https://evil.test/">',
    "<base href=https://evil.test/>",
    "<link rel=stylesheet href=https://evil.test/x.css>",
    "<mark><img src=x onerror=alert(39)></mark>",
    "+ADw-script+AD4-alert(40)+ADw-/script+AD4-",
    '=HYPERLINK("https://evil.test/","41")',
    "\u2028<script>alert(42)</script>\u2029",
)
"""Without anything that a name may not have."""


def as_name(payload: str) -> str:
    """As a file may be called: without `/`, which no name has, and without what cannot be printed."""
    return "".join(one for one in payload.replace("/", "\u2215") if one.isprintable())


def as_word(payload: str) -> str:
    """As a user may be called: without spaces too."""
    return as_name(payload).replace(" ", "\u2215").replace("\u2215", "/")
