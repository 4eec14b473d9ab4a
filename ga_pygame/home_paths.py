"""Masks the player's name in error messages: each spelling of the home folder becomes `~`. Any thread.

A path may appear as it is, as its `repr` (backslashes doubled), as a `file://` address, with slashes or backslashes,
in another case, through a link, or with bytes that are not UTF-8. One regular expression, made once for a home,
matches all of them.
"""

from __future__ import annotations

import functools
import os
import re
import sys

from ga_pygame.traces import pass_on

MIN_HOME_PARTS = 2
"""Parts that a home must have to be masked: `/root` names nobody, and a home `/` would make every slash a `~`."""

_LONGEST_SPELLING = 4096  # characters of a home as it is spelled in a text; each may take six, as in \\u00e9

MIN_LOGIN = 3
"""Characters that a player's name must have to be masked in `ann@laptop`; a shorter one may mean anything."""

_SEPARATOR = r"(?:[\\/]{1,8}|%5c|%2f)"
_ROOTS = (
    r"(?:home|homes|users|user|profiles|media|mnt|documents and settings|documents%20and%20settings"
    rf"|run{_SEPARATOR}user{_SEPARATOR}\d{{1,10}})"
)
"""Folders that have an entry for each user, named after the user."""
_END = r"(?![\w+@-]|\.\w)"
"""Matches if the name ends here: `/home/ann` must not match in `/home/annabel`, `/home/ann-2` or `/home/ann.old`."""


def masked(text: str) -> str:
    """Replace the home folder by `~`, and the player's name in other folders of users, such as `/media/ann`."""
    pattern = _pattern(_homes(), _account())
    return pattern.sub(_replaced, text) if pattern is not None else text


def masked_start(text: str, longest: int) -> str:
    """Return the first `longest` characters of the masked text; a home that the cut would halve is left out."""
    if len(text) > longest:
        cut = _straddled(text, longest)
        text = text[: cut[0] if cut else longest]
    return masked(text)[:longest]


def masked_end(text: str, longest: int) -> str:
    """Return the last `longest` characters of the masked text; a home that the cut would halve is left out."""
    if len(text) > longest:
        cut = _straddled(text, len(text) - longest)
        text = text[cut[1] if cut else len(text) - longest :]
    return masked(text)[-longest:]


def _straddled(text: str, place: int) -> tuple[int, int] | None:
    """Return start and end of the home that a cut at `place` would halve; `None` if there is none."""
    pattern = _pattern(_homes(), _account())
    if pattern is not None:
        for found in pattern.finditer(text, max(0, place - _LONGEST_SPELLING), place + _LONGEST_SPELLING):
            if found.start() < place < found.end():
                return found.span()
    return None


def _replaced(found: re.Match[str]) -> str:
    return f"{found['root']}~" if found["root"] is not None else "~"


def _homes() -> tuple[str, ...]:
    """Return the home folder as the environment and the system's list of users name it."""
    named = [os.environ.get(name) for name in ("HOME", "USERPROFILE")]
    named.append(os.environ.get("HOMEDRIVE", "") + os.environ.get("HOMEPATH", ""))
    return tuple(dict.fromkeys(home for home in (*named, _home_of_the_system()) if home))


def _account() -> str:
    """Return the name of the player's account; "" if the environment does not have it."""
    return next(filter(None, map(os.environ.get, ("USERNAME", "USER", "LOGNAME"))), "")


@functools.lru_cache(maxsize=1)
def _home_of_the_system() -> str:
    if sys.platform == "win32":
        return os.path.expanduser("~")
    try:
        import pwd  # noqa: PLC0415 - there is none on Windows

        return pwd.getpwuid(os.getuid()).pw_dir
    except Exception as failure:  # noqa: BLE001 - a user without an entry, a directory service that fails
        pass_on(failure)
        return ""


@functools.lru_cache(maxsize=8)
def _pattern(homes: tuple[str, ...], account: str) -> re.Pattern[str] | None:
    """Return an expression that matches every spelling of these homes; `None` if all have too few parts."""
    spellings: dict[str, None] = {}
    names = {_spelled(account): account} if len(account) > 1 else {}
    for home in homes:
        for path in (home, _real(home)):
            parts = [part for part in re.split(r"[\\/]+", path) if part and not part.endswith(":")]
            if len(parts) < MIN_HOME_PARTS or not re.match(r"[\\/]|[A-Za-z]:[\\/]", path):
                continue
            drive = re.match(r"[A-Za-z]:", path)
            # Unix shells on Windows write C:\Users\ann as /c/Users/ann
            start = rf"(?:{drive[0]}|{_SEPARATOR}{drive[0][0]}|{drive[0][0]}%3a)" if drive else ""
            spelled = [f"(?:{_spelled(part)}|{_dos_name(part)})" if drive else _spelled(part) for part in parts]
            spellings[start + "".join(_SEPARATOR + part for part in spelled)] = None
            names[spelled[-1]] = parts[-1]
    if not spellings:
        return None
    longest_first = "|".join(sorted(spellings, key=len, reverse=True))
    users = rf"(?P<root>{_SEPARATOR}{_ROOTS}{_SEPARATOR})(?:{'|'.join(names)})"
    # A home at the start of a path becomes `~`; inside another path, such as /backup/home/ann, only the name does.
    ways = rf"(?<![\w.-])(?:{longest_first})|{users}|(?:{longest_first})"
    logins = "|".join(name for name, plain in names.items() if len(plain) >= MIN_LOGIN)
    login = rf"|(?<![\w.@+-])(?:{logins})(?=@\w)" if logins else ""
    return re.compile(rf"(?:{ways}){_END}{login}", re.IGNORECASE)


def _real(path: str) -> str:
    try:
        return os.path.realpath(path) if os.path.isabs(path) else path
    except (OSError, ValueError):
        return path


def _spelled(part: str) -> str:
    """Return an expression that matches one part of a path in all its spellings."""
    if not part.isascii():
        import unicodedata  # noqa: PLC0415 - only for a name that is not ASCII

        part = unicodedata.normalize("NFC", part)
    return "".join(_SPELLED.get(character) or _spelled_character(character) for character in part)


def _dos_name(part: str) -> str:
    """Return an expression for the 8.3 name that Windows gives to a long one and uses in %TEMP%, e.g. JANEDO~1."""
    stem, dot, ending = part.rpartition(".") if "." in part else (part, "", "")
    plain = [re.escape(one) if one.isascii() and one.isalnum() else r"[^\\/]" for one in re.sub("[ .]", "", stem)]
    tail = rf"\.{re.escape(ending.replace(' ', '')[:3])}" if dot else ""
    return rf"(?:{''.join(plain[:6])}|{''.join(plain[:2])}[0-9a-f]{{4}})~\d{{1,3}}{tail}"


_SPELLED = {" ": r"(?:\\{0,8} |%20|\+)"}


def _spelled_character(character: str) -> str:
    if character.isascii():
        plain = re.escape(character)
        # a shell writes `O\'Brien`
        return plain if character.isalnum() else rf"(?:\\{{0,8}}{plain}|%{ord(character):02x})"
    import unicodedata  # noqa: PLC0415 - only for a name that is not ASCII

    code = ord(character)
    raw = character.encode("utf-8", "surrogateescape") if _is_escaped(character) else _utf8(character)
    ways = [
        re.escape(character),
        re.escape(unicodedata.normalize("NFD", character)),
        "".join(rf"\\+x{byte:02x}" for byte in raw),
        "".join(f"%{byte:02x}" for byte in raw),
        re.escape(raw.decode("latin-1")),
        rf"\\+u{code:04x}" if code < 0x10000 else rf"\\+U{code:08x}",
        rf"\\+x{code:02x}" if code < 0x100 else "",
        r"\?{1,4}",
        "\ufffd{1,4}",
    ]
    return f"(?:{'|'.join(filter(None, ways))})"


def _is_escaped(character: str) -> bool:
    """Return whether a character is a surrogate by which `os.fsdecode` writes a byte that is not UTF-8."""
    return "\udc80" <= character <= "\udcff"


def _utf8(character: str) -> bytes:
    return character.encode("utf-8", "replace")
