//! Virtual time as people write it: durations such as `90s` or `1h30m`, ranges such as `2s..5s`, and RFC 3339.

use crate::api::time::Timestamp;

/// Milliseconds of virtual time since the simulation's start.
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

/// Writes a duration as [`parse_duration`] reads it, without what is zero at its end: `1h0m39s`, `90m` as `1h30m`.
/// Milliseconds are left out from a minute on.
pub fn print_duration(millis: Millis) -> String {
    let (seconds, rest) = (millis / 1000, millis % 1000);
    match seconds {
        0 if rest > 0 => return format!("{rest}ms"),
        1..60 if rest > 0 => return format!("{seconds}.{}s", format!("{rest:03}").trim_end_matches('0')),
        0..60 => return format!("{seconds}s"),
        _ => {}
    }
    let parts =
        [(seconds / 86_400, 'd'), (seconds / 3600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|&(amount, _)| amount > 0).unwrap_or(0);
    let last = parts.iter().rposition(|&(amount, _)| amount > 0).unwrap_or(0);
    parts[first..=last].iter().map(|(amount, unit)| format!("{amount}{unit}")).collect()
}

/// Seconds since 1970 of an RFC 3339 text; fractions of a second are cut off.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    Timestamp::parse(text).map(|timestamp| timestamp.0)
}

/// The RFC 3339 text of seconds since 1970, as the API server writes timestamps.
pub fn print_timestamp(seconds: i64) -> String {
    Timestamp(seconds).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn durations_for_people() {
        let check = |millis, expect: &str| assert_eq!(print_duration(millis), expect);
        check(0, "0s");
        check(250, "250ms");
        check(2_500, "2.5s");
        check(17_000, "17s");
        check(60_000, "1m");
        check(61_500, "1m1s");
        check(3_639_000, "1h0m39s");
        check(5_400_000, "1h30m");
        check(90_000_000, "1d1h");
        check(86_401_000, "1d0h0m1s");
    }
}
