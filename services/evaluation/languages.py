"""Which language a text is in: by its script, and among Latin scripts by its most common words.

A guess is made only when it is a clear one: a profile of about twenty-five function words finds a
language in prose of ten words or more, and says nothing about names, code or lists.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

MIN_LETTERS = 6
MIN_SCRIPT_SHARE = 0.6  # of the letters must be of the script
MIN_WORDS = 8
MIN_SHARE = 0.15  # of the words must be function words of the language
MIN_LEAD = 1.5  # times as many as of the next language
MAX_CHARACTERS = 4_000

_FENCED_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`|https?://\S{1,500}", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")

_SCRIPTS: Mapping[str, str] = {
    "ARABIC": "ar",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
    "GREEK": "el",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "CJK": "zh",
    "THAI": "th",
}
_PROFILES: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is you that it was for are with as this have from or be by not"
        " what your can i",
        "de": "der die das und ist nicht ein eine zu den von mit auf für im dem sich auch wie"
        " ich sie es werden kann oder",
        "fr": "le la les des et est un une dans pour que qui pas vous je ne sur avec ce du au il"
        " plus sont ou",
        "es": "el la los las y es un una de que en por para con no se del al su lo como más"
        " está puede o",
        "it": "il la di e che un una per non con sono del della i le si in da più come"
        " può questo o al gli",
        "pt": "o a os as e é um uma de que em para com não se do da no na por mais como"
        " pode são ou",
        "nl": "de het een en is niet van in op dat te voor met zijn aan er je ik ook kan worden"
        " deze of bij naar",
        "sv": "och att det som en ett är av för på med den inte till kan har jag du"
        " om eller från de i så var",
        "pl": "i w na nie się z do to jest że jak o a po co tak za od dla czy lub przez"
        " można być są",
        "tr": "ve bir bu için ile de da ne var daha çok olarak gibi ama en veya o sonra"
        " kadar olan değil ben sen her mi",
    }.items()
}
_LANGUAGES_OF: Mapping[str, Sequence[str]] = {
    word: [language for language, profile in _PROFILES.items() if word in profile]
    for word in frozenset[str]().union(*_PROFILES.values())
}


def language_of(text: str) -> str | None:
    """The ISO 639-1 code of the language of a text; None when it is short or not clear.

    >>> language_of("The answer to your question is that it was not in the book.")
    'en'
    """
    prose = text[:MAX_CHARACTERS]
    if "`" in prose or "://" in prose:
        prose = _FENCED_CODE.sub(" ", prose)
    if prose.isascii():
        return _latin(prose)
    scripts: Counter[str] = Counter()
    for letter, count in Counter(filter(str.isalpha, prose)).items():
        scripts[_script(letter)] += count
    script = _main_script(scripts)
    return _latin(prose) if script == "latin" else script


def _main_script(letters: Counter[str]) -> str | None:
    # Japanese mixes kana and Chinese characters: some kana make the text Japanese.
    if letters["ja"] * 10 > letters["zh"]:
        letters["ja"] += letters.pop("zh", 0)
    script, count = max(letters.items(), key=lambda item: item[1], default=("", 0))
    clear = count >= MIN_LETTERS and count >= MIN_SCRIPT_SHARE * letters.total()
    return script if clear and script else None


def _script(letter: str) -> str:
    """The language that a letter's script stands for, `latin`, or nothing known."""
    if letter.isascii():
        return "latin"
    word = unicodedata.name(letter, "").partition(" ")[0]
    return "latin" if word == "LATIN" else _SCRIPTS.get(word, "")


def _latin(prose: str) -> str | None:
    words = Counter(_WORD.findall(prose.lower()))
    total = sum(words.values())
    if total < MIN_WORDS:
        return None
    hits = Counter(dict.fromkeys(_PROFILES, 0))
    for word in words.keys() & _LANGUAGES_OF.keys():
        for language in _LANGUAGES_OF[word]:
            hits[language] += words[word]
    (language, most), (_, next_most) = hits.most_common(2)
    clear = most >= MIN_SHARE * total and most >= MIN_LEAD * next_most
    return language if clear else None
