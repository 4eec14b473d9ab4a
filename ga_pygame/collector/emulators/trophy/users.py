"""Trophy's users: how they are checked, stored and shown."""

from __future__ import annotations

import datetime as dt
import json
import re
import sqlite3
import zoneinfo
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ga_pygame.clock import iso

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_NOTIFICATIONS = ("achievement_completed", "recap", "reactivation", "streak_reminder")
_CHANNELS = ("email", "push")
MAX_USER_ID = 512
"""Characters of a user's id; a longer one is refused."""
MAX_USER_TEXT = 1000
"""Characters of a user's name, email, token or attribute; a longer one is refused."""
MAX_USERS = 50_000
"""Users that are stored; a further one is refused. Queries over all users take time that grows with their number."""
MAX_ATTRIBUTES = 100
"""Attributes of a user or an event; more are refused."""
MAX_DEVICE_TOKENS = 100
"""Device tokens of a user; more are refused."""


class CallRefused(Exception):
    """A request that cannot be processed; the message is for the developer who sent it."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


@lru_cache(maxsize=512)
def zone(name: str) -> dt.tzinfo | None:
    """Return the time zone of an IANA name, `None` if there is none."""
    if name == "UTC":
        return dt.timezone.utc
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name, a folder of names
        return None


def check_strings(name: str, value: Any, known: Sequence[str] | None) -> None:
    """Check attributes: an object of strings whose keys exist; with `None` all do.

    Raises:
        CallRefused: They are not.
    """
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise CallRefused(422, f"{name} must be an object with strings")
    if any(len(one) > MAX_USER_TEXT for one in value.values()):
        raise CallRefused(422, f"{name}: a value is longer than {MAX_USER_TEXT}")
    if any(len(key) > MAX_USER_TEXT for key in value) or len(value) > MAX_ATTRIBUTES:
        raise CallRefused(422, f"{name}: at most {MAX_ATTRIBUTES}, with keys of at most {MAX_USER_TEXT} characters")
    unknown = sorted(value.keys() - set(known)) if known is not None else []
    if unknown:
        raise CallRefused(422, f"{name}: there is no attribute {', '.join(key[:64] for key in unknown[:8])}")


def checked_user(user: Any, attributes: Sequence[str] | None, user_id: str | None = None) -> tuple[str, dict[str, Any]]:
    """Check the user of a request; return its id and the object.

    Args:
        user: The object in the request.
        attributes: The user attributes that exist; `None` means all.
        user_id: The id, if the path names it.

    Raises:
        CallRefused: It breaks a rule.
    """
    if not isinstance(user, dict):
        raise CallRefused(422, "user must be an object")
    if user_id is None:
        user_id = user.get("id")
    if not isinstance(user_id, str) or not user_id:
        raise CallRefused(422, "user.id must be a string that is not empty")
    if len(user_id) > MAX_USER_ID:
        raise CallRefused(422, f"user.id is longer than {MAX_USER_ID}")
    for name in ("email", "name", "tz", "signUpDate"):
        if not isinstance(user.get(name), str | None) or len(user.get(name) or "") > MAX_USER_TEXT:
            raise CallRefused(422, f"user.{name} must be a string of at most {MAX_USER_TEXT} characters")
    if user.get("tz") is not None and zone(user["tz"]) is None:
        raise CallRefused(422, f"user.tz {user['tz'][:64]!r} is not an IANA time zone such as Europe/London")
    if user.get("signUpDate") is not None and sign_up_day(user["signUpDate"]) is None:
        raise CallRefused(
            422, "user.signUpDate must be a date such as 2026-01-31, or a time such as 2026-01-31T20:00:00Z"
        )
    tokens = user.get("deviceTokens")
    if tokens is not None and not (
        isinstance(tokens, list)
        and len(tokens) <= MAX_DEVICE_TOKENS
        and all(isinstance(one, str) and len(one) <= MAX_USER_TEXT for one in tokens)
    ):
        raise CallRefused(422, f"user.deviceTokens must be a list of strings, at most {MAX_DEVICE_TOKENS}")
    if not isinstance(user.get("subscribeToEmails"), bool | None):
        raise CallRefused(422, "user.subscribeToEmails must be true or false")
    if user.get("attributes") is not None:
        check_strings("user.attributes", user["attributes"], attributes)
    return user_id, user


def sign_up_day(text: str) -> dt.date | None:
    """Return the day of a sign-up: a date, or a time, whose day in UTC counts; `None` if it is neither."""
    if (day := date(text)) is not None:
        return day
    try:
        moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment.astimezone(dt.timezone.utc).date() if moment.tzinfo is not None else moment.date()
    except (ValueError, OverflowError):
        return None


def date(text: str) -> dt.date | None:
    """Parse `YYYY-MM-DD`; `None` if it is not a date."""
    if not _DATE.match(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


# --- in the file ---------------------------------------------------------------------------------------------

_USER_COLUMNS = "user_id, email, name, tz, sign_up_date, device_tokens, subscribed, attributes, created, updated"


def find(db: sqlite3.Connection, user_id: str) -> dict[str, Any] | None:
    """Read a user in Trophy's form, `None` if there is none."""
    row = db.execute(f"SELECT {_USER_COLUMNS} FROM trophy_users WHERE user_id = ?", (user_id,)).fetchone()  # noqa: S608
    if row is None:
        return None
    return {
        "id": row[0],
        "email": row[1],
        "name": row[2],
        "tz": row[3],
        "signUpDate": row[4],
        "deviceTokens": None if row[5] is None else json.loads(row[5]),
        "subscribeToEmails": bool(row[6]),
        "attributes": json.loads(row[7]),
        "control": False,
        "created": iso(row[8]),
        "updated": iso(row[9]),
    }


def problem(db: sqlite3.Connection, user_id: str, said: Mapping[str, Any], now: float) -> str:
    """Return why a user cannot be stored with these values at a time; empty if it can."""
    if db.execute("SELECT 1 FROM trophy_users WHERE user_id = ?", (user_id,)).fetchone() is None:
        (everybody,) = db.execute("SELECT count(*) FROM trophy_users").fetchone()
        if everybody >= MAX_USERS:
            return f"there are {MAX_USERS} users already: forget them with POST /_emu/reset, or use another --db"
    known = find(db, user_id)
    if said.get("signUpDate") is not None:
        tz = said["tz"] if "tz" in said else known and known["tz"]
        here = dt.datetime.fromtimestamp(now, (zone(tz) if tz else None) or dt.timezone.utc).date()
        signed_up = sign_up_day(said["signUpDate"])
        if signed_up is not None and signed_up > here:
            return f"signUpDate must not be after today in the user's time zone, which is {here}"
    if said.get("subscribeToEmails") is not True or said.get("email"):
        return ""
    if known and known["email"] and "email" not in said:
        return ""
    return "subscribeToEmails is true, but there is no email"


def upsert(db: sqlite3.Connection, user_id: str, said: Mapping[str, Any], now: float) -> bool:
    """Create a user or change the given values; return whether it was created."""
    known = find(db, user_id)
    email = said["email"] if "email" in said else known and known["email"]
    subscribed = said.get("subscribeToEmails")
    if subscribed is None:
        subscribed = known["subscribeToEmails"] if known else True
    if not subscribed:
        email = None  # Trophy does not keep the address then
    tokens = said["deviceTokens"] if "deviceTokens" in said else known and known["deviceTokens"]
    values = {
        "user_id": user_id,
        "email": email,
        "name": said["name"] if "name" in said else known and known["name"],
        "tz": said["tz"] if "tz" in said else known and known["tz"],
        "sign_up_date": _kept_day(said["signUpDate"]) if "signUpDate" in said else known and known["signUpDate"],
        "device_tokens": None if tokens is None else json.dumps(tokens),
        "subscribed": int(subscribed),
        "attributes": json.dumps({**(known["attributes"] if known else {}), **(said.get("attributes") or {})}),
        "now": now,
    }
    db.execute(
        f"INSERT INTO trophy_users ({_USER_COLUMNS}) VALUES (:user_id, :email, :name, :tz, :sign_up_date,"  # noqa: S608
        " :device_tokens, :subscribed, :attributes, :now, :now)"
        " ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, name = excluded.name, tz = excluded.tz,"
        " sign_up_date = excluded.sign_up_date, device_tokens = excluded.device_tokens,"
        " subscribed = excluded.subscribed, attributes = excluded.attributes, updated = excluded.updated",
        values,
    )
    return known is None


def _kept_day(text: str | None) -> str | None:
    day = sign_up_day(text) if text is not None else None
    return None if day is None else day.isoformat()


# --- preferences ---------------------------------------------------------------------------------------------


def preferences(db: sqlite3.Connection, user_id: str) -> dict[str, Any] | None:
    """Read a user's preferences; all channels are on unless set otherwise. `None` if there is no such user."""
    row = db.execute("SELECT preferences FROM trophy_users WHERE user_id = ?", (user_id,)).fetchone()
    if row is None:
        return None
    said = json.loads(row[0])
    notifications = {name: list(_CHANNELS) for name in _NOTIFICATIONS} | said.get("notifications", {})
    return {"notifications": notifications, "streak": {"enabled": True} | said.get("streak", {})}


def check_preferences(said: Mapping[str, Any]) -> None:
    """Check the preferences of a request.

    Raises:
        CallRefused: It breaks a rule.
    """
    notifications = said.get("notifications")
    if notifications is not None:
        if not isinstance(notifications, dict) or notifications.keys() - set(_NOTIFICATIONS):
            raise CallRefused(422, f"notifications must be an object with {', '.join(_NOTIFICATIONS)}")
        for name, channels in notifications.items():
            if not isinstance(channels, list) or not all(one in _CHANNELS for one in channels):
                raise CallRefused(422, f"notifications.{name} must be a list of email, push")
    streak = said.get("streak")
    if streak is not None and not (
        isinstance(streak, dict) and streak.keys() <= {"enabled"} and isinstance(streak.get("enabled", True), bool)
    ):
        raise CallRefused(422, "streak may only be {'enabled': true or false} here: streaks are not customizable")


def change_preferences(db: sqlite3.Connection, user_id: str, said: Mapping[str, Any], now: float) -> bool:
    """Change a user's preferences; return whether there is such a user."""
    row = db.execute("SELECT preferences FROM trophy_users WHERE user_id = ?", (user_id,)).fetchone()
    if row is None:
        return False
    kept = json.loads(row[0])
    for name in ("notifications", "streak"):
        kept[name] = {**kept.get(name, {}), **(said.get(name) or {})}
    db.execute(
        "UPDATE trophy_users SET preferences = ?, updated = ? WHERE user_id = ?", (json.dumps(kept), now, user_id)
    )
    return True
