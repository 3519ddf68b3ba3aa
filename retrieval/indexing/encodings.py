"""Text from bytes of any common encoding, declared or not."""

from __future__ import annotations

import re
import unicodedata

import charset_normalizer

BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
CONTROL_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
PRINTABLE = bytes([*range(32, 127), *b"\t\n\r"])
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
WORD = re.compile(rb"[A-Za-z\x80-\xff]+")
# Only encodings of text: Python also knows codecs that are none, such as punycode.
META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}[\"']?"
    rb"((?:windows-|cp|iso-8859-)\d+|koi8-[ru]|gb\w+|big5|shift.jis|euc-\w\w|utf-\w+)\b",
    re.IGNORECASE,
)
SAMPLE_BYTES = 65_536
MAX_HIGH_BYTES = 4096
# Letters beyond ASCII, and the encodings that a language is found in. The first of equals is taken.
WESTERN = ("cp1252", "mac_roman", "cp850")
CENTRAL = ("cp1250", "iso8859_2", "cp852")
LANGUAGES = (
    ("äöüß", WESTERN),
    ("àâæçèéêëîïôùûüÿœ", WESTERN),
    ("áéíñóúü¿¡ªº", WESTERN),
    ("àáâãçéêíóôõúü", WESTERN),
    ("àèéìíîòóù", WESTERN),
    ("äåæéöø", WESTERN),
    ("áéëïíóöúü", WESTERN),
    ("õäöüšž", ("cp1252",)),
    ("áæéíðóöúýþ", WESTERN),
    ("ąćęłńóśźż", CENTRAL),
    ("áčďéěíňóřšťúůýž", CENTRAL),
    ("áäčďéíĺľňóôŕšťúýž", CENTRAL),
    ("áéíóöőúüű", CENTRAL),
    ("ăâîșțşţ", CENTRAL),
    ("čćđšž", CENTRAL),
    ("çğıöşüâîİ", ("cp1254", "iso8859_9", "cp857")),
    ("ąčęėįšųūž", ("cp1257",)),
    ("āčēģīķļņšūž", ("cp1257",)),
)
OTHER_SCRIPTS = (
    *("cp1251", "koi8_r", "koi8_u", "iso8859_5", "cp866", "mac_cyrillic"),
    *("cp932", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "cp949"),
    *("cp1253", "iso8859_7", "cp1255", "iso8859_8", "cp1256", "iso8859_6", "tis_620"),
)
PUNCTUATION = frozenset("«»„“”‘’‚–—…€£§°·•™®©²³½´\u00a0\u00ad")
# In words of Latin letters most are ASCII; in others hardly any.
OTHER_SCRIPT_SHARE = 0.45


def decode_text(data: bytes) -> str | None:
    """The text, or None where the bytes are no text in any encoding."""
    text = _decode(data)
    controls = len(CONTROL_CHARACTERS.findall(text))
    return None if controls > max(2, len(text) * 0.01) else text


def _decode(data: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\x1b$" in data and (japanese := _decode_strictly(data, "iso2022_jp")):
        return japanese
    utf8 = _decode_strictly(data, "utf-8")
    controls = len(CONTROL_BYTES.findall(data[:SAMPLE_BYTES]))
    # A stray one in a text is no sign of anything.
    if controls > (min(len(data), SAMPLE_BYTES) * 0.01 if utf8 else 0):
        wide = _guess_wide(data)
        if wide:
            return data.decode(wide, errors="replace")
    if utf8:
        return utf8
    text = data.decode("utf-8", errors="replace")
    # A few broken bytes in a UTF-8 text do not make it another encoding.
    if text.count("\ufffd") * 10 < len(NOT_ASCII.findall(text)):
        return text
    return _decode_legacy(data)


def _decode_strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _guess_wide(data: bytes) -> str | None:
    """UTF-32 or UTF-16 without a mark, of any script."""
    for encoding in ("utf-32-le", "utf-32-be"):
        if _is_text(data[: SAMPLE_BYTES - SAMPLE_BYTES % 4], encoding):
            return encoding
    sample = data[:4096]
    if len(sample.translate(None, PRINTABLE)) < len(sample) * 0.1:
        return None  # ASCII, in which pairs of letters would pass for ideographs
    found = [name for name in ("utf-16-le", "utf-16-be") if _is_text(sample, name)]
    # Scripts have few high bytes and many low ones.
    high = {name: sample[name == "utf-16-le" :: 2] for name in found}
    return min(found, key=lambda name: (len(set(high[name])), -high[name].count(0)), default=None)


def _is_text(sample: bytes, encoding: str) -> bool:
    """Whether it decodes to characters that exist; a sample may end inside of one."""
    sample = sample[: len(sample) - len(sample) % (4 if "32" in encoding else 2)]
    text = _decode_strictly(sample, encoding) or _decode_strictly(sample[:-2], encoding)
    odd = sum(unicodedata.category(character) in {"Cc", "Cn", "Co"} for character in text)
    lines = sum(map(text.count, "\n\r\t"))
    return bool(text) and odd - lines <= len(text) * 0.01


def _decode_legacy(data: bytes) -> str:
    declared = META_CHARSET.search(data[:4096])
    if declared:
        try:
            return data.decode(declared[1].decode("ascii"), errors="replace")
        except LookupError:
            pass
    return data.decode(_guess_legacy(data), errors="replace")


def _guess_legacy(data: bytes) -> str:
    sample = data[:SAMPLE_BYTES]
    words = b" ".join(word for word in WORD.findall(sample) if not word.isascii())
    high = bytes(byte for byte in words if byte > 127)
    if len(high) > len(words) * OTHER_SCRIPT_SHARE:
        lines = b"\n".join(line for line in sample.split(b"\n") if not line.isascii())
        best = charset_normalizer.from_bytes(lines[:16384], cp_isolation=list(OTHER_SCRIPTS)).best()
        if best:
            return best.encoding
    return _guess_language(high[:MAX_HIGH_BYTES])


def _guess_language(high_bytes: bytes) -> str:
    """The encoding in which most of them are letters of one language."""
    best, encoding = -1, "latin-1"
    for letters, encodings in LANGUAGES:
        known = {*letters, *letters.upper(), *PUNCTUATION}
        for candidate in encodings:
            score = sum(map(known.__contains__, high_bytes.decode(candidate, "replace")))
            if score > best:
                best, encoding = score, candidate
    return encoding
