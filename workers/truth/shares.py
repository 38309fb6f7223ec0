"""What part of the orders or customers is of a kind: "all orders are paid", "most customers are new". Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping

from workers.truth.description import ALL_BUT
from workers.truth.figure import NOTHING, STATUSES
from workers.truth.periods import near
from workers.truth.said import Said
from workers.truth.wording import Wording

_ALL = r"(?:all(?![- ]time)|every(?! (?:second|third|other|two|three|four|five|six|ten|\d+)\b)|each|alle[nrs]?(?!, die| (?:(?:rund|gut|bestens|glatt)(?= ?[.,!;]| ?$)|in ordnung|nach plan))|allesamt|ausnahmslos|everything|sämtliche[nr]?|jede[rns]?(?! (?:zweit|dritt)))"
_HALF = r"(?:half|(?:die |der )?hälfte)"
_OF = r"(?= (?:of|der|deiner|ihrer|von|aller|des|deines|ihres)\b)"
_PARTS: Mapping[str, tuple[float, float, str]] = {
    "almost_all": (0.8, 1.0, rf"(?:almost|nearly|fast|beinahe|nahezu) {_ALL}"),
    "all": (1.0, 1.0, _ALL),
    "most": (0.501, 1.0, rf"(?:more than|over|well over|mehr als|über) {_HALF}|(?:the|a|die|eine) (?:\w+ )?(?:majority|mehrheit)|most of|mostly|most(?= of\b| \w*(?:orders|customers|buyers))"
                         r"|die meisten|überwiegend|mehrheitlich|großteil|mehrzahl|(?:der|ein) (?:größere|größte|überwiegende) teil|the (?:bulk|larger part|greater part)"),
    "few": (0.0, 0.499, rf"(?:less than|fewer than|under|not even|weniger als|unter|nicht einmal) {_HALF}|(?:the|a|die|eine) (?:\w+ )?(?:minority|minderheit)"
                        r"|(?:der|ein) (?:kleinere|kleinste|geringere) teil|the (?:smaller|lesser) part"),
    "one_of": (0.001, 1.0, r"(?:one|eine[rs]?)(?= (?:of|der|deiner|ihrer|von)\b)"),
    "half": (0.43, 0.57, rf"{_HALF}{_OF}|every (?:second|other)|jede[rns]? zweite\w?"),
    "third": (0.263, 0.403, rf"every third|jede[rns]? dritte\w?|(?:a|one|ein) (?:third|drittel){_OF}"),
    "two_thirds": (0.597, 0.737, rf"(?:two|zwei)[- ](?:thirds|drittel){_OF}"),
    "quarter": (0.18, 0.32, rf"(?:a|one|ein) (?:quarter|viertel){_OF}"),
    "three_quarters": (0.68, 0.82, rf"(?:three|drei)[- ](?:quarters|viertel){_OF}"),
}  # fmt: skip
"""Words that say what part: at least and at most this."""

_PART = Wording(rf"(?:{'|'.join(f'(?P<{name}>{words})' for name, (_, _, words) in _PARTS.items())})(?!\w)")

_NOT = re.compile(r"\b(?:not|nicht)\s$")
_VAGUELY = re.compile(
    r"\b(?:(?P<about>about|around|roughly|some|etwa|rund|ungefähr)|than|over|under|less|nearly|almost|als|über|unter|gut|knapp|fast)\s(?:the )?$"
)
_KINDS = STATUSES | {"open"}


def shares(said: Said) -> Iterable[tuple[str, bool]]:
    """Where the data decides it: in any of the lists, times and wholes that may be meant."""
    if _PART not in said.places:
        return
    if not (said.told & _KINDS or len(said.numbers) > 1 or said.periods or said.dates):
        return
    if said.doubts(said.plain) or said.supposes(said.plain):
        return
    for found in said.each(_PART, plain=True):  # "a third" is masked
        word = found.lastgroup or ""
        least, most, _ = _PARTS[word]
        before = said.masked[max(0, found.start() - 16) : found.start()]
        if any(n.percent and 0 <= found.start() - n.end < 20 for n in said.numbers):
            continue  # "21% of all orders": the whole
        if word == "all" and (said.first(ALL_BUT) or (found[0].startswith("alles") and said.orders)):
            continue  # "bis auf eine", "mit #7 ist alles erledigt"
        vaguely = _VAGUELY.search(before) if word not in ("all", "almost_all", "most", "few") else None
        if _NOT.search(before) or (vaguely and not vaguely["about"]):
            continue
        least, most = (least - 0.05, most + 0.05) if vaguely else (least, most)
        told = [(n, said.of_which(n)[0]) for n in said.numbers] if word in ("most", "few") else []
        if numbers := [n.readings[0][0] / whole.readings[0][0] for n, whole in told if whole and whole.readings[0][0]]:
            yield found[0], least <= numbers[0] <= most
            continue
        kinds, subject = _spoken_of(said, found)
        is_of_open = len(kinds) == 2 and "open" in kinds
        kinds -= {"open"} if is_of_open else set()  # "all open orders still have to go out"
        if len(kinds) == 1 and subject:
            [kind] = kinds
            known = list(part_of_kind(said, kind, subject, is_of_open=is_of_open))
            if known:
                yield f"{found[0]} … {kind.replace('_', ' ')}", any(least <= share <= most for share in known)
        elif not kinds and word != "all" and (known := list(_part_on_days(said, found))):
            yield found[0], any(least <= share <= most for share in known)


def _spoken_of(said: Said, found: re.Match[str]) -> tuple[set[str], str]:
    """Of which kind what part is, and whether of orders or of customers."""
    right = min((b for b in said.breaks if b >= found.end()), default=len(said.masked))
    left = said.clause_start(found.start())
    kinds: set[str] = set()
    behind = (found.end(), right)
    is_fraction = (found.lastgroup or "") not in ("all", "almost_all", "most", "few")
    if is_fraction and not any(s.kind in ("order", "customer") and behind[0] <= s.start < right for s in said.subjects):
        return set(), ""  # "a third of the story"
    everywhere = [] if (found.lastgroup or "").endswith("all") else [(0, len(said.masked))]
    for begins, ends in (behind, (left, right), *everywhere):
        kinds = {t.kind for t in said.traits if begins <= t.start < ends} & _KINDS
        if kinds:
            break
    subjects = {s.kind for s in said.subjects if begins <= s.start < ends} or set(said.context.subjects)
    subjects |= {s.kind for s in said.subjects if left <= s.start < right} if not subjects else set()
    subjects |= {"order"} if found[0] in ("everything", "alles") else set()
    return kinds, "order" if "order" in subjects else "customer" if "customer" in subjects else ""


def _part_on_days(said: Said, found: re.Match[str]) -> Iterator[float]:
    """What part of the week's orders, or of its money, fell on the days that are named behind the word."""
    right = said.clause_end(found.end())
    if not (found[0].endswith(" of") or _OF_PERIOD.match(said.masked, found.end())):
        return
    nouns = {subject.kind for subject in said.subjects if found.end() <= subject.start < right}
    traits = {trait.kind for trait in said.traits if found.end() <= trait.start < right}
    spans = [said.spans_of()[m.start] for m in (*said.periods, *said.dates) if found.end() <= m.start < right]
    days = {f"date:{a}" for each in spans for a, b in each if a == b}
    longer = [each for each in spans if not any(a == b for a, b in each)]
    if not days or said.names or "recent" in said.told or nouns - {"order", "sale", "money"} or traits - {"revenue"}:
        return
    if any(not any((b - a).days in (6, 7) for a, b in each) for each in longer):
        return
    is_money = "money" in nouns or "revenue" in traits
    for ranking in said.grounds.rankings:
        is_it = ranking.what in ("day orders", "day totals")[is_money : 1 + ("order" not in nouns)]
        if is_it and (whole := sum(ranking.values.values())) and days & ranking.values.keys():
            yield sum(value for day, value in ranking.values.items() if day in days) / whole


_OF_PERIOD = re.compile(r" (?:of|der|des|von|deine[rs]|ihre[rs]|aller)\b")


def part_of_kind(said: Said, kind: str, subject: str, *, is_of_open: bool = False) -> Iterator[float]:
    """What part is of the kind: of the open orders, of all, of those that are listed."""
    figures = [f for f in said.grounds.counts.get(subject, ()) if not (f.entities or f.old or "uncounted" in f.traits)]
    spans = [span for spans in said.spans_of().values() for span in spans]
    dated = [f for f in figures if f.period is not None and any(near(span, f.period) for span in spans)]
    is_recent = "recent" in said.told
    parts: dict[object, dict[frozenset[str], float]] = {}
    for figure in dated or [f for f in figures if not is_recent or f.partial] or figures:
        parts.setdefault((figure.period, figure.partial, figure.derived), {}).setdefault(figure.traits, figure.value)
    for known in parts.values():
        left, opened = known.get(frozenset({"unfulfilled"})), known.get(frozenset({"open"}))
        whole, part = known.get(NOTHING), known.get(frozenset({kind}))
        if kind in ("fulfilled", "unfulfilled") and left is not None and opened is not None:
            share = left / opened if opened else 0.0
            yield share if kind == "unfulfilled" else 1 - share
        if is_of_open:
            continue
        if kind == "fulfilled" and part is None and left is not None and whole is not None:
            part = whole - left
        if whole is None and subject == "customer":
            whole = sum(known.get(frozenset({buyer}), 0.0) for buyer in ("first_time", "returning"))
        if part is not None and whole and part <= whole:  # a larger one is of something else
            yield part / whole
