//! Virtual time as people write it: durations such as `90s` or `1h30m`, ranges such as `2s..5s`, and RFC 3339.

use crate::api::time::Timestamp;

pub use crate::api::time::{Millis, parse_duration, parse_range};

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
