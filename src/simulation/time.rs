//! Virtual time as people write it: durations such as `90s` or `1h30m`, ranges such as `2s..5s`, and RFC 3339.

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

/// Writes a duration in its two largest units: `1h30m`, `17s`, `2.5s`.
pub fn print_duration(millis: Millis) -> String {
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let two = |a: u64, unit_a: &str, b: u64, unit_b: &str| match b {
        0 => format!("{a}{unit_a}"),
        _ => format!("{a}{unit_a}{b}{unit_b}"),
    };
    match seconds {
        0 if rest > 0 => format!("{rest}ms"),
        0..60 if rest > 0 => format!("{seconds}.{}s", format!("{rest:03}").trim_end_matches('0')),
        0..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Seconds since 1970 of an RFC 3339 text; fractions of a second are cut off.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| bytes.get(at) != Some(&byte))
        || !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
    {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut zone = &text[19..];
    if let Some(fraction) = zone.strip_prefix('.') {
        let digits = fraction.len() - fraction.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        zone = (digits > 0).then(|| &fraction[digits..])?;
    }
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let sign = match zone.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let (hours, minutes) = zone[1..].split_once(':')?;
            sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
        }
    };
    Some(days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// The RFC 3339 text of seconds since 1970, as the API server writes timestamps.
pub fn print_timestamp(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, counted in years that begin in March so that the leap
/// day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
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
        check(5_400_000, "1h30m");
        check(90_000_000, "1d1h");
    }

    #[test]
    fn timestamps() {
        let check = |text, seconds| {
            assert_eq!(parse_timestamp(text), Some(seconds), "{text}");
            assert_eq!(print_timestamp(seconds), text);
        };
        check("1970-01-01T00:00:00Z", 0);
        check("1969-12-31T23:59:59Z", -1);
        check("2000-02-29T12:30:45Z", 951_827_445);
        check("2026-11-22T13:14:00Z", 1_795_353_240);
        check("2100-03-01T00:00:00Z", 4_107_542_400);
        assert_eq!(parse_timestamp("2000-02-29T14:30:45.123+02:00"), Some(951_827_445));
        for bad in ["", "2026-13-01T00:00:00Z", "2026-11-22", "2026-11-22T13:14:00", "2026-11-22T13:14:00.Z"]
        {
            assert_eq!(parse_timestamp(bad), None, "{bad}");
        }
    }
}
