"""``new Date(value)``: the date texts and numbers that JavaScript takes.

In charge of: ISO 8601 as ECMA-262 21.4.1.32 has it, and the lenient reading that V8 falls back to
("1/2/2020", "2 Jan 2020 10:00 PST", "2020-01-02 03:04:05" in the server's zone). Results are aware UTC
datetimes with whole milliseconds, or ``INVALID_DATE``. Years outside 1 to 9999 are invalid here.
Must not know: properties, validation.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tenant_runtime.model.javascript import EPOCH, INVALID_DATE, InvalidDate, to_number, to_text

_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
    r"(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?)?",
    re.ASCII,
)
#: As JavaScript writes a date.
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
#: A word is made of anything from "A" upwards: brackets, underscores and accents too.
_TOKEN = re.compile(r"[0-9]+|[^\x00-@\s]+|\s+|.", re.DOTALL)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ZONES = {
    "z": 0,
    "ut": 0,
    "utc": 0,
    "gmt": 0,
    "est": -5,
    "edt": -4,
    "cst": -6,
    "cdt": -5,
    "mst": -7,
    "mdt": -6,
}
_ZONES |= {"pst": -8, "pdt": -7}


def to_date(value: Any) -> datetime | InvalidDate:
    """``new Date(value)`` for anything but null."""
    if isinstance(value, datetime | InvalidDate):
        return value
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, int | float):
        return from_milliseconds(value)
    if isinstance(value, list):
        return parse_date(to_text(value))
    return INVALID_DATE


def from_milliseconds(value: float) -> datetime | InvalidDate:
    number = to_number(value)
    if isinstance(number, float) and not math.isfinite(number):
        return INVALID_DATE
    try:
        return EPOCH + timedelta(milliseconds=int(number))
    except OverflowError:
        return INVALID_DATE


def parse_date(text: str) -> datetime | InvalidDate:
    """``new Date(text)``."""
    if _WRITTEN.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # a day that runs over, 24:00, or no date
    match = _ISO.fullmatch(text)
    if match is None:
        return _Lenient(text).parse()
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_hour, zone_minute = match.groups()
    offset: int | None = None
    if hour is None or zulu:
        offset = 0  # a date alone is UTC, a date with a time is local (ECMA-262)
    elif sign:
        offset = (int(zone_hour) * 60 + int(zone_minute)) * (1 if sign == "+" else -1)
    milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
    clock = (int(hour or 0), int(minute or 0), int(second or 0), milliseconds)
    return _assemble((int(year), int(month or 1), int(day or 1)), clock, offset)


def _assemble(
    day: tuple[int, int, int], clock: tuple[int, int, int, int], offset_minutes: int | None
) -> datetime | InvalidDate:
    """Days run over (February 31st is March 2nd or 3rd), hours up to 24:00 only; no offset means local."""
    year, month, date = day
    hour, minute, second, millisecond = clock
    if not (1 <= month <= 12 and 1 <= date <= 31):
        return INVALID_DATE
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second or millisecond)):
        return INVALID_DATE
    try:
        moment = datetime(year, month, 1) + timedelta(
            days=date - 1, hours=hour, minutes=minute, seconds=second, milliseconds=millisecond
        )
        if offset_minutes is None:
            return moment.astimezone(UTC)
        if offset_minutes == 0:
            return moment.replace(tzinfo=UTC)
        return moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes))).astimezone(UTC)
    except (ValueError, OverflowError):
        return INVALID_DATE


class _Lenient:
    """V8's legacy date grammar (``src/date/dateparser-inl.h``): numbers, month and zone words, signs."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(text)
        self.at = 0
        self.day: list[int] = []
        self.month: int | None = None
        self.time: list[int] = []
        self.afternoon: int | None = None  # hours added by AM (0) or PM (12)
        self.zone_sign: int | None = None
        self.zone_hour: int | None = None
        self.zone_minute: int | None = None
        self.number_read = False

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def skip(self, symbol: str) -> bool:
        if self.peek() == symbol:
            self.at += 1
            return True
        return False

    def parse(self) -> datetime | InvalidDate:
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if not self.take(token):
                return INVALID_DATE
        return self.result()

    def take(self, token: str) -> bool:
        if _DIGITS.fullmatch(token):
            self.number_read = True
            return self.take_number(token)
        if token[0] > "@" and not token.isspace():
            return self.take_word(token.lower())
        if token in "+-" and (self.time or (self.zone_hour == 0 and self.zone_minute == 0)):
            return self.take_offset(token)
        if token in "+-)" and self.number_read:
            return False
        if token == "(":
            self.skip_parentheses()
        return True

    def take_number(self, token: str) -> bool:
        number = int(token[:9])
        if self.skip(":"):
            self.skip(":")
            return self.add_time(number)
        if self.peek() == "." and self.expects_time(number):
            self.time.append(number)
            self.at += 1
            digits = self.peek()
            if not _DIGITS.fullmatch(digits):
                return False
            self.at += 1
            return self.finish_time(int(digits[:3].ljust(3, "0")))
        if self.zone_hour is not None and self.zone_minute is None and number < 60:
            self.zone_minute = number
            return True
        if self.expects_time(number):
            following = ""
            if not self.finish_time(number):
                return False
            following = self.peek()
            return not following or following.isspace() or following in "+-" or following.lower() == "z"
        if len(self.day) >= 3:
            return False
        self.day.append(number)
        self.skip("-")
        return True

    def take_word(self, word: str) -> bool:
        if word in ("am", "pm") and self.time:
            self.afternoon = 12 if word == "pm" else 0
        elif word[:3] in _MONTHS:
            self.month = _MONTHS.index(word[:3]) + 1
            self.skip("-")
        elif word in _ZONES and self.number_read:
            hours = _ZONES[word]
            self.zone_sign, self.zone_hour, self.zone_minute = (1 if hours >= 0 else -1), abs(hours), 0
        else:
            return not self.number_read and not _DIGITS.fullmatch(self.peek())
        return True

    def take_offset(self, sign: str) -> bool:
        self.zone_sign = 1 if sign == "+" else -1
        digits = ""
        if _DIGITS.fullmatch(self.peek()):
            digits = self.tokens[self.at]
            self.at += 1
        self.number_read = True
        number = int(digits or 0)
        if self.peek() == ":":
            self.zone_hour, self.zone_minute = number, None
        elif len(digits) in (1, 2):
            self.zone_hour, self.zone_minute = number, 0
        elif len(digits) in (3, 4):
            self.zone_hour, self.zone_minute = divmod(number, 100)
        else:
            return False
        return True

    def skip_parentheses(self) -> None:
        depth = 1
        while depth and self.at < len(self.tokens):
            depth += {"(": 1, ")": -1}.get(self.tokens[self.at], 0)
            self.at += 1

    def expects_time(self, number: int) -> bool:
        return (len(self.time) in (1, 2) and number < 60) or (len(self.time) == 3 and number < 1000)

    def add_time(self, number: int) -> bool:
        if len(self.time) >= 4:
            return False
        self.time.append(number)
        return True

    def finish_time(self, number: int) -> bool:
        if not self.add_time(number):
            return False
        self.time += [0] * (4 - len(self.time))
        return True

    def result(self) -> datetime | InvalidDate:
        if not self.day:
            return INVALID_DATE
        first, second, third = (*self.day, 1, 1)[:3]
        first_is_day = 1 <= first <= 31
        if self.month is not None:
            if len(self.day) == 1:
                year, month, day = 1, self.month, first
            elif first_is_day:
                year, month, day = second, self.month, first
            else:
                year, month, day = first, self.month, second
        elif first_is_day:
            year, month, day = third, first, second
        else:
            year, month, day = first, second, third
        if 0 <= year <= 49:
            year += 2000
        elif 50 <= year <= 99:
            year += 1900
        hour, minute, seconds, millisecond = (*self.time, 0, 0, 0, 0)[:4]
        if self.afternoon is not None:
            if not 0 <= hour <= 12:
                return INVALID_DATE
            hour = hour % 12 + self.afternoon
        offset = None
        if self.zone_sign is not None:
            offset = self.zone_sign * ((self.zone_hour or 0) * 60 + (self.zone_minute or 0))
        return _assemble((year, month, day), (hour, minute, seconds, millisecond), offset)
