"""Turns whatever a model wrote into plain text. Pure.

Anyone can place an order with a malicious customer name, and a model that reads it can be talked into anything. So
answers are not trusted: an image would load automatically and leak store data in its address, a link would do so at a
click, and a gateway may render Markdown or HTML although the contract says plain text. `plain` keeps the words and
removes:

    images, links and link definitions of Markdown       the text stays, the address goes
    HTML tags                                             so does what is inside scripts and styles
    addresses: anything://…, //host, host.tld/…, a host of three labels or more (www.…, anna.evil.com),
    javascript:, data:, mailto: and the like              replaced by LINK_REMOVED
    control, bidi and invisible characters                but joiners where a script or an emoji needs them

Addresses of the shop itself (`OwnSites`) stay, written out. So does a bare name of two labels ("Acme.com", "Node.js"):
it is an ordinary word in a catalogue, and its labels can carry no data that their owner did not register. One that is
written to be taken for another (xn--…, Latin letters among Cyrillic or Greek ones) does not stay.

Browsers take some characters for a dot (https://www.unicode.org/reports/tr46/), and so does this module in what may be
an address; percent-encoded ones, too. Beside other scripts an ideographic full stop ends a sentence: a space after it
keeps a name from growing there.
"""

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LINK_REMOVED = "(link removed)"
IMAGE_REMOVED = "(image removed)"
NOTHING_LEFT = "Sorry, I can't show that answer."
CHARACTERS = 16_000
"""Most characters of one message; in JSON each may take six bytes of the contract's 1 MiB."""

ADMIN_HOST = "admin.shopify.com"
SHOP_SUFFIX = ".myshopify.com"

PASSES = 8
"""Removing one thing may create another; a text that needs more passes to settle is an attack."""
CUT_AT_A_WORD = 200
MARKUP = 2000
"""Characters beyond the limit that are read, so that no markup is cut in two."""


@dataclass(frozen=True)
class OwnSites:
    """The merchant's own addresses: the shop, and hosts that Shopify named as its website."""

    shop_domain: str | None = None
    websites: frozenset[str] = frozenset()

    def have(self, address: str) -> bool:
        """Whether the address, with or without a scheme, belongs to the shop's storefront or admin."""
        found = _OWN_FORM.fullmatch(address)
        if found is None or self.shop_domain is None:
            return False
        host, rest = found["host"].lower(), (found["rest"] or "").lower()
        if any(trick in rest for trick in ("//", "..", "%2e", "%5c", "%2f%2f")):
            return False
        if host == ADMIN_HOST:
            store = f"/store/{self.shop_domain.removesuffix(SHOP_SUFFIX)}"
            return rest == store or rest.startswith((f"{store}/", f"{store}?"))
        return host == self.shop_domain or host in self.websites


NOBODYS = OwnSites()


WORDS = {"TEXT_MESSAGE_CONTENT": "delta", "RUN_ERROR": "message"}
"""The text field of each AG-UI event type that has one."""


def outgoing(
    events: Sequence[Mapping[str, Any]], own: OwnSites = NOBODYS, *, limit: int = CHARACTERS
) -> list[dict[str, Any]]:
    """AG-UI events with their text as `plain` text."""
    cleaned = [dict(event) for event in events]
    for event in cleaned:
        field = WORDS.get(event["type"])
        if field is not None:
            event[field] = plain(event[field], own, limit=limit)
    return cleaned


def plain(words: str, own: OwnSites = NOBODYS, *, limit: int = CHARACTERS) -> str:
    """The words as plain text of at most `limit` characters, never empty. Plain text comes back as it is."""
    text = words
    for _ in range(PASSES):
        cleaned = _cut(_cleaned(text[: limit + MARKUP], own), limit)
        if cleaned == text:
            break
        text = cleaned
    else:
        text = _cut(_SYNTAX.sub(" ", legible(text)), limit)
    return text if text.strip() else NOTHING_LEFT


def legible(text: str) -> str:
    """The text without control, bidi and invisible characters; every line break becomes a newline.

    Joiners stay after letters of scripts that join (Persian, Sinhala, …) and between emoji.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_BREAK.sub("\n", text)
    parts = _FLAG.split(text)  # every other one is a flag
    parts[::2] = [_HIDDEN.sub(_if_needed, part) for part in parts[::2]]
    return "".join(parts)


def _cleaned(text: str, own: OwnSites) -> str:
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), legible(text))
    text = legible(text)
    text = _AUTOLINK.sub(lambda found: f" {found[1]} " if own.have(found[1]) else LINK_REMOVED, text)
    text = _TAG.sub("", _RAW_TEXT.sub("", text))
    text = _TAG_BEGINS.sub("< ", text)
    text = _DEFINITION.sub(r"\1:", text)
    text = _LINK.sub(lambda found: _linked(found, own), text)
    text = _IMAGE_BEGINS.sub("", text).replace("](", "] (")
    text = _SCRIPT.sub(lambda found: LINK_REMOVED if found["rest"] else found["scheme"], text)
    text = _DOTTED.sub(lambda found: _with_dots(found[0]), text)
    text = _ADDRESS.sub(lambda found: _address(found, own), text)
    return _NAME_GROWS.sub(r"\g<0> ", text)


def _linked(found: re.Match[str], own: OwnSites) -> str:
    """What replaces a Markdown link or image: its text, and its address if that is the shop's own."""
    label, inside = found["label"].strip(), found["inside"].split()
    target = inside[0].strip("<>") if inside else ""
    if found["image"]:
        return label or IMAGE_REMOVED
    if not own.have(target):
        return label or LINK_REMOVED
    return target if label in ("", target) else f"{label} ({target})"


def _with_dots(token: str) -> str:
    """A possible address, with real dots for what browsers take for one; two sentences without a space stay."""
    dotted, count = _DOT.subn(".", token)
    return dotted if count and (dotted.count(".") > 1 or any(sign in dotted for sign in "/?#@\ufe6b\uff20:")) else token


def _address(found: re.Match[str], own: OwnSites) -> str:
    token = found[0]
    if found["mail"]:  # e-mail addresses: some customers are known by nothing else, and clients do not fetch them
        return token
    address = token.rstrip(".,;:!?)*_~")
    return token if own.have(address) else LINK_REMOVED + token[len(address) :]


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    text = text[: limit - 1]
    gap = max(map(text.rfind, " \n、。，！？"))  # noqa: RUF001 - in some scripts nothing else parts words
    return (text[:gap] if gap > max(limit - CUT_AT_A_WORD, 0) else text).rstrip() + "…"


def _if_needed(found: re.Match[str]) -> str:
    """A hidden character if it changes how its neighbours look; else an empty text."""
    character, text, place = found[0], found.string, found.start()
    before = text[place - 1] if place else ""
    after = text[place + 1 : place + 2]
    if character in "\u200c\u200d" and _JOINS.match(before) and not _HIDDEN.match(after):
        return character
    if character == "\u200d":
        if before == "\ufe0f" and place > 1:
            before = text[place - 2]
        return character if _is_symbol(before) and _is_symbol(after) else ""
    if character in "\ufe0e\ufe0f":
        return character if _is_symbol(before) or (before and before in "#*0123456789") else ""
    if character >= "\U000e0100":
        return character if _HAN.match(before) else ""
    return character if "\u180b" <= character <= "\u180d" and _MONGOLIAN.match(before) else ""


def _is_symbol(character: str) -> bool:
    is_foreign = character > "\x7f" and _HIDDEN.match(character) is None
    return is_foreign and unicodedata.category(character) in ("So", "Sk", "Sm", "Po", "Pd")


_LINE_BREAK = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_JOINS = re.compile("[\u0620-\u065f\u066e-\u08ff\u0900-\u0dff\u0f00-\u109f\u1700-\u18af\u1a20-\u1bff\ua800-\uabff]")
_MONGOLIAN = re.compile("[\u1820-\u18aa]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
#: The flags of England, Scotland and Wales are a black flag and a name in tag characters.
_FLAG = re.compile(
    "(\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f|"
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f|"
    "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f)"
)

_ENTITY = re.compile(r"&(?:#[0-9]{1,8};?|#[xX][0-9a-fA-F]{1,7};?|[A-Za-z][A-Za-z0-9]{1,31};)")
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^<>\n]*)>")
_RAW_TEXT = re.compile(
    r"<!--.*?-->|<(?P<raw>script|style|iframe|object|svg|math|template|noscript|textarea|title)\b[^<>]*>.*?"
    r"</(?P=raw)\s*>",
    re.IGNORECASE | re.DOTALL,
)
_ELEMENTS = (
    "a|abbr|address|area|article|aside|audio|b|base|bdi|bdo|blockquote|body|br|button|canvas|caption|center|cite|code|"
    "col|colgroup|data|datalist|dd|del|details|dfn|dialog|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|"
    "form|frame|frameset|h[1-6]|head|header|hr|html|i|iframe|image|img|input|ins|kbd|label|legend|li|link|main|map|"
    "mark|marquee|math|meta|meter|nav|noscript|object|ol|optgroup|option|output|p|param|picture|pre|progress|q|rp|rt|"
    "ruby|s|samp|script|section|select|slot|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "template|textarea|tfoot|th|thead|time|title|tr|track|tt|u|ul|var|video|wbr"
)
#: An element's name and then attributes or the end: "a<b and c>d" is arithmetic.
_TAG = re.compile(rf"</?(?:{_ELEMENTS})(?:[\s/][^<>=]*+=[^<>]*+|\s*/?)>", re.IGNORECASE)
_TAG_BEGINS = re.compile(r"<(?=[A-Za-z/!?])")
_DEFINITION = re.compile(r"\[((?:\\[\[\]]|[^\[\]]){1,999}+)\]:")
_LINK = re.compile(r"(?P<image>!?)\[(?P<label>[^\[\]]*)\]\((?P<inside>[^()]*(?:\([^()]*\)[^()]*)*)\)")
_IMAGE_BEGINS = re.compile(r"!(?=\[)")

#: What browsers take for a dot, as it is or percent-encoded; between these letters it is surely meant so.
_LIKE_DOT, _LETTER = "\u2024\u3002\ufe52\uff0e\uff61", "A-Za-z0-9\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
_DOT = re.compile(
    rf"(?<=[{_LETTER}])(?:[{_LIKE_DOT}]|%2e|%e3%80%82|%ef%bc%8e|%ef%bd%a1)(?=[{_LETTER}])",
    re.IGNORECASE,
)
_DOTTED = re.compile(rf"[{_LETTER}{_LIKE_DOT}._%@\ufe6b\uff20:/?#&=+~-]+")
_NAME_GROWS = re.compile(rf"\.[\w-]+[{_LIKE_DOT}](?=\w)|(?<=\w)[{_LIKE_DOT}](?=[\w-]+\.\w)")
_IN_ADDRESS = r"[^\s<>\[\]{}\"'`|^，。、！？；：（）「」『』《》【】]"  # noqa: RUF001 - punctuation that ends an address
_JAVASCRIPT = r"[\t\n]*".join("javascript")  # browsers skip tabs and newlines in an address
_SCRIPT = re.compile(
    rf"(?P<scheme>{_JAVASCRIPT}|vbscript|livescript)[\t\n ]*(?::|%3a)(?P<rest>{_IN_ADDRESS}*)",
    re.IGNORECASE,
)
_HOST = r"(?<![\w@.-])(?:[\w-]+\.)"
_LATIN, _LIKE_LATIN = "A-Za-z", "\u0370-\u058f\u13a0-\u13ff\u1c80-\u1c8f\u1f00-\u1fff\ua640-\ua69f\uab70-\uabbf"
_ADDRESS = re.compile(
    rf"(?<![A-Za-z0-9+.%_-])[A-Za-z0-9+.%_-]*:[/\\]{{2}}{_IN_ADDRESS}*"
    rf"|(?<![/\\])[/\\]{{2,}}+(?=\w){_IN_ADDRESS}*"
    rf"|(?<![A-Za-z0-9])(?:https?|mailto|tel|sms|magnet|skype|callto|facetime|whatsapp|blob|file|filesystem|about|intent|view-source|cid):(?=\S){_IN_ADDRESS}*"
    rf"|(?<![A-Za-z0-9])data:(?:[\w.+-]+/[\w.+-]|[;,]){_IN_ADDRESS}*"
    rf"|(?<![\w.+%'-])[\w.+%'-]+(?:@|%40|[\ufe6b\uff20])(?P<mail>(?:[\w-]+\.)+[^\W\d_]{{2,}}(?![\w-]))"
    rf"|{_HOST}+[^\W\d_]{{2,}}(?::[0-9]+)?[/?#]{_IN_ADDRESS}+"
    rf"|(?<![0-9.])[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?::[0-9]+)?[/?#]{_IN_ADDRESS}*"
    rf"|{_HOST}{{2,}}[^\W\d_]{{2,}}(?![\w-])"
    rf"|(?<![\w@.-])xn--[\w-]+\.[^\W\d_]{{2,}}(?![\w-])"
    rf"|(?<![\w@.-])(?=[\w-]*[{_LIKE_LATIN}])(?=[\w.-]*[{_LATIN}])[\w-]+\.[^\W\d_]{{2,}}(?![\w-])",
    re.IGNORECASE,
)
_OWN_FORM = re.compile(
    r"(?:https?://)?(?P<host>[a-z0-9-]+(?:\.[a-z0-9-]+)+)(?P<rest>[/?#][a-z0-9/?#&=%._~:!$*+,;@-]*)?", re.IGNORECASE
)
#: All that any of the syntaxes above is made of.
_SYNTAX = re.compile(rf"[<>\[\]&\\/:%!@]|(?<=\w)[.{_LIKE_DOT}](?=\w)")
