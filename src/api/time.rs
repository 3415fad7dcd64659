//! Points in time: whole seconds since 1970-01-01T00:00:00Z, and their RFC 3339 text as `metav1.Time` writes it.
//! Durations as people write them in manifests: `90s`, `1h30m`, `2s..5s`; and spans as Go writes them.

use std::fmt;
use std::time::Duration;

/// Seconds since the epoch, UTC. The core is told what time it is; it never asks.
///
/// ```
/// use phalanx::api::time::Timestamp;
///
/// let noon = Timestamp::parse("2026-01-01T13:00:00+01:00").expect("it is RFC 3339");
/// assert_eq!(noon.plus(90).to_string(), "2026-01-01T12:01:30Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

const DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01; years that begin in March put the leap day last.
const EPOCH_DAYS: i64 = 719_468;
/// Days in 400 years, after which the Gregorian calendar repeats.
const ERA_DAYS: i64 = 146_097;

impl Timestamp {
    /// Reads RFC 3339 (`2026-08-21T10:00:00Z`, any offset). Fractions of a second are cut off.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = bytes.get(from..to)?;
            digits
                .iter()
                .try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
        };
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if separators.iter().any(|&(at, byte)| bytes.get(at) != Some(&byte))
            || !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
        {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
        }
        let offset = match bytes.get(at)? {
            b'Z' | b'z' if bytes.len() == at + 1 => 0,
            sign @ (b'+' | b'-') if bytes.len() == at + 6 && bytes[at + 3] == b':' => {
                let seconds = number(at + 1, at + 3)? * 3600 + number(at + 4, at + 6)? * 60;
                if *sign == b'+' { seconds } else { -seconds }
            }
            _ => return None,
        };
        let days = days_from_civil(year, month, day);
        Some(Timestamp(days * DAY + hour * 3600 + minute * 60 + second - offset))
    }

    /// So many seconds later; saturating.
    #[must_use]
    pub fn plus(self, seconds: i64) -> Self {
        Timestamp(self.0.saturating_add(seconds))
    }
}

/// `2026-08-21T10:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
    }
}

/// Reads a span as Go's `time.ParseDuration` does: `1h30m`, `2.5s`, `300ms`; units `h`, `m`, `s`, `ms`, `us`, `µs`, `ns`.
/// `None` for anything else, spans below zero among it, and for more than an `i64` of nanoseconds (292 years).
pub fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanoseconds: i128 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, tail) = rest.split_at(digits(rest));
        let (fraction, tail) = match tail.strip_prefix('.') {
            Some(tail) => tail.split_at(digits(tail)),
            None => ("", tail),
        };
        if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
            return None;
        }
        let end = tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let unit: i128 = match &tail[..end] {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        rest = &tail[end..];
        nanoseconds += whole.parse::<i128>().unwrap_or(0) * unit;
        let (mut part, mut share) = (0, unit);
        for digit in fraction.bytes() {
            share /= 10;
            part += i128::from(digit - b'0') * share;
        }
        nanoseconds += part;
    }
    let nanoseconds = i64::try_from(nanoseconds).ok().filter(|_| !text.is_empty())?;
    Some(Duration::from_nanos(nanoseconds.unsigned_abs()))
}

/// Days since the epoch of a date in the Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let months_since_march = (month + 9) % 12;
    let day_of_year = (153 * months_since_march + 2) / 5 + day - 1;
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS
}

/// The date of a day since the epoch.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA_DAYS - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = (months_since_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Milliseconds.
pub type Millis = u64;

/// Reads `250ms`, `90s`, `1h30m`, `2d`.
pub fn parse_duration(text: &str) -> Option<Millis> {
    let mut total: Millis = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let amount: Millis = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_length = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..unit_length] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(amount.checked_mul(unit)?)?;
        rest = &rest[unit_length..];
    }
    (!text.is_empty()).then_some(total)
}

/// Reads a duration, or two of them as in `2s..5s`: from the first to the second, both included.
pub fn parse_range(text: &str) -> Option<(Millis, Millis)> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    let (low, high) = (parse_duration(low.trim())?, parse_duration(high.trim())?);
    (low <= high).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: Option<i64>) {
        assert_eq!(Timestamp::parse(text).map(|time| time.0), expect, "{text}");
    }

    #[test]
    fn reads_rfc_3339() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-08-21T10:00:00Z", Some(1_787_306_400));
        check("2026-08-21T12:00:00+02:00", Some(1_787_306_400));
        check("2026-08-21T10:00:00.999999Z", Some(1_787_306_400));
        check("2000-02-29T23:59:59Z", Some(951_868_799));
        check("2026-08-21T10:00:00", None);
        check("2026-13-21T10:00:00Z", None);
        check("2026-08-21 nonsense", None);
        check("", None);
        check("2026-08-21T10:00:00+0200", None);
    }

    #[test]
    fn durations() {
        let check = |text, expect| assert_eq!(parse_duration(text), expect, "{text}");
        check("0s", Some(0));
        check("250ms", Some(250));
        check("90s", Some(90_000));
        check("1h30m", Some(5_400_000));
        check("2d1s", Some(172_801_000));
        for bad in ["", "5", "s", "5 s", "5x", "-5s", "1.5s", "s5", "99999999999999999999s"] {
            check(bad, None);
        }
        assert_eq!(parse_range("2s..5s"), Some((2_000, 5_000)));
        assert_eq!(parse_range("5s"), Some((5_000, 5_000)));
        assert_eq!(parse_range("5s..2s"), None);
    }

    #[test]
    fn reads_spans_as_go_writes_them() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_span(text), expect.map(Duration::from_nanos), "{text}");
        };
        check("3s", Some(3_000_000_000));
        check("1h2m3s4ms5us6ns", Some(3_723_004_005_006));
        check("1.5h", Some(5_400_000_000_000));
        check(".5s", Some(500_000_000));
        check("7\u{b5}s", Some(7_000));
        check("0", Some(0));
        check("30", None);
        check("-1s", None);
        check("1d", None);
        check("s", None);
        check("", None);
        check("999999999999999h", None);
    }

    proptest! {
        #[test]
        fn text_and_back(seconds in -62_135_596_800i64..253_402_300_800) {
            let time = Timestamp(seconds);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }
    }
}
