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

impl Timestamp {
    /// Reads RFC 3339 as Go does (`2026-08-21T10:00:00Z`, any offset with a colon). Fractions of a second are cut off.
    /// `None` for dates that the calendar does not have.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_zoned = text.ends_with(['Z', 'z']) || bytes.iter().rev().nth(2) == Some(&b':');
        let is_whole = matches!(bytes.get(10), Some(b'T' | b't' | b' ')) && bytes.get(16) == Some(&b':');
        let read = (is_zoned && is_whole).then(|| text.parse::<jiff::Timestamp>().ok())??;
        Some(Timestamp(read.as_second()))
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
        let bound = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        write!(f, "{:.0}", jiff::Timestamp::from_second(self.0).unwrap_or(bound))
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
        check("2026-02-30T10:00:00Z", None);
        check("2026-08-21T10:00Z", None);
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
