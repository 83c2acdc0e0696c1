"""Language: the trace is written in the question's script and, as far as common words tell, its language."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from bridge_distill.curation.contract import Trace, gates
from bridge_distill.curation.settings import Settings

_NOT_LETTERS = bytes(code for code in range(256) if not chr(code).isascii() or not chr(code).isalpha())
_BEYOND = re.compile(r"[^\x00-\x7f]+")
_WORDS = 300
_HITS = 6
# Enough to tell these languages apart, not to name a language among all.
_COMMON = {
    "English": "the and of that is are was with for this which from we have be not they it by then",
    "German": "der die das und ist nicht mit ein eine für auf den dem zu von wir sich auch werden",
    "French": "le les des est une dans pour que qui nous avec sont pas sur cette donc du aux",
    "Spanish": "el los las una por con para que es como del entonces está pero son más se su",
    "Italian": "il gli della che per con una sono non questo quindi nel dei è alla come si anche",
    "Portuguese": "os uma não com para que então são mais é do da em dos das pelo ao também",
    "Dutch": "het een van en dat niet zijn voor met ook deze wordt dus naar op bij we aan",
}
_SPEAKERS = {
    word: [name for name, common in _COMMON.items() if word in common.split()]
    for word in " ".join(_COMMON.values()).split()
}


@gates.register("language")
def language(trace: Trace, settings: Settings) -> str | None:
    """Refuse a trace whose share of letters that are not Latin exceeds the question's by ``max_foreign``."""
    if foreign_share(trace.rationale) > foreign_share(trace.question.text) + settings.max_foreign:
        return "another script"
    asked, told = likely_language(trace.question.text), likely_language(trace.rationale)
    return "another language" if asked and told and asked != told else None


def foreign_share(text: str) -> float:
    """Share of the letters that are not Latin; 0 where there is no letter."""
    if text.isascii():
        return 0.0
    beyond = [sign for sign in "".join(_BEYOND.findall(text)) if sign.isalpha()]
    plain = len(text.encode("ascii", "ignore").translate(None, _NOT_LETTERS))
    return sum(not _is_latin(sign) for sign in beyond) / max(plain + len(beyond), 1)


def likely_language(text: str) -> str | None:
    """The language most of whose common words stand in the first 300 words; None where that is not clear."""
    hits = dict.fromkeys(_COMMON, 0)
    for word in filter(_SPEAKERS.__contains__, text[: 8 * _WORDS].lower().split()[:_WORDS]):
        for name in _SPEAKERS[word]:
            hits[name] += 1
    first, second = sorted(hits, key=hits.__getitem__, reverse=True)[:2]
    return first if hits[first] >= _HITS and hits[first] >= 2 * hits[second] else None


@lru_cache(maxsize=65_536)
def _is_latin(sign: str) -> bool:
    return unicodedata.name(sign, "").startswith("LATIN")
