//! The grammar: `[+-] digits [. digits] [suffix]`, where a suffix is decimal (`m`, `k`, `G`), binary (`Gi`) or an
//! exponent (`e3`). Linear in the text, whatever its length, and without floats.

use super::amount::{Amount, Format, LIMIT, NANO};

/// A text that is no quantity, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a quantity: {remedy}")]
pub struct QuantityError {
    /// The text, shortened when it is long.
    pub text: String,
    /// What to write instead.
    pub remedy: String,
}

/// Binary texts are capped here, as Go does while it parses.
const BINARY_CAP: i128 = i64::MAX as i128;

#[derive(Clone, Copy)]
enum Suffix {
    /// Times ten to the power of.
    Ten(i64, Format),
    /// Times two to the power of.
    Two(u32),
}

pub(super) fn parse(text: &str) -> Result<Amount, QuantityError> {
    let trimmed = text.trim();
    let (negative, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    let read = match read_suffix(suffix) {
        Some(read) if !(whole.is_empty() && fraction.is_empty()) => read,
        _ => return Err(refuse(text, trimmed, &unsigned[..unsigned.len() - suffix.len()], suffix)),
    };
    let (nano, format) = match read {
        Suffix::Ten(exponent, format) => (decimal_nano(whole, fraction, exponent), format),
        Suffix::Two(exponent) => binary_nano(whole, fraction, exponent),
    };
    Ok(Amount::from_nano(if negative { -nano } else { nano }, format))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

fn read_suffix(suffix: &str) -> Option<Suffix> {
    let ten = |exponent| Some(Suffix::Ten(exponent, Format::Decimal));
    match suffix {
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "" => ten(0),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => Some(Suffix::Two(10)),
        "Mi" => Some(Suffix::Two(20)),
        "Gi" => Some(Suffix::Two(30)),
        "Ti" => Some(Suffix::Two(40)),
        "Pi" => Some(Suffix::Two(50)),
        "Ei" => Some(Suffix::Two(60)),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // An exponent beyond an i64 is as good as infinite: the amount saturates or rounds up to one nano.
            let beyond = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
            let read = exponent.parse().unwrap_or(beyond).clamp(i64::MIN / 2, i64::MAX / 2);
            Some(Suffix::Ten(read, Format::Exponent))
        }
    }
}

/// `whole.fraction * 10^exponent` in nano, rounded up, stopping at [`LIMIT`].
fn decimal_nano(whole: &str, fraction: &str, exponent: i64) -> i128 {
    let mut digits = whole.bytes().chain(fraction.bytes());
    let mut left = (whole.len() as i64).saturating_add(exponent).saturating_add(9);
    let mut nano: i128 = 0;
    while left > 0 {
        let Some(digit) = digits.next() else { break };
        nano = (nano * 10 + i128::from(digit - b'0')).min(LIMIT);
        left -= 1;
    }
    if digits.any(|digit| digit != b'0') {
        return (nano + 1).min(LIMIT);
    }
    while left > 0 && nano > 0 && nano < LIMIT {
        nano = nano.saturating_mul(10).min(LIMIT);
        left -= 1;
    }
    nano
}

/// `whole.fraction * 2^exponent` in nano, rounded up, capped; below one unit the amount counts as decimal.
fn binary_nano(whole: &str, fraction: &str, exponent: u32) -> (i128, Format) {
    let mut units: i128 = 0;
    for digit in whole.bytes() {
        units = (units * 10 + i128::from(digit - b'0')).min(BINARY_CAP);
    }
    if fraction.is_empty() {
        return ((units << exponent).min(BINARY_CAP) * NANO, Format::Binary);
    }
    // The fraction as decimal digits, doubled `exponent` times: exact for any number of digits.
    let mut digits: Vec<u8> = fraction.bytes().map(|digit| digit - b'0').collect();
    for _ in 0..exponent {
        let mut carry = 0;
        for digit in digits.iter_mut().rev() {
            let doubled = *digit * 2 + carry;
            *digit = doubled % 10;
            carry = doubled / 10;
        }
        units = (units * 2 + i128::from(carry)).min(BINARY_CAP);
    }
    let mut nano = units * NANO;
    let mut place = NANO / 10;
    for digit in digits.iter().take(9) {
        nano += i128::from(*digit) * place;
        place /= 10;
    }
    nano += i128::from(digits.iter().skip(9).any(|digit| *digit != 0));
    let format = if 0 < nano && nano < NANO { Format::Decimal } else { Format::Binary };
    (nano.min(BINARY_CAP * NANO), format)
}

fn refuse(text: &str, trimmed: &str, number: &str, suffix: &str) -> QuantityError {
    let bare = suffix.trim();
    let unit = bare.strip_suffix(['B', 'b']).unwrap_or(bare);
    let mut letters = unit.chars();
    let prefix =
        letters.next().map(|first| if matches!(first, 'k' | 'K') { 'k' } else { first.to_ascii_uppercase() });
    let second = letters.as_str();
    let remedy = match (prefix, second) {
        _ if trimmed.is_empty() => "it is empty; write a number such as 8, 500m or 800Gi".to_owned(),
        _ if number.bytes().filter(u8::is_ascii_digit).count() == 0 => {
            "it does not begin with a number; write one such as 8, 500m or 800Gi".to_owned()
        }
        _ if suffix.starts_with(',') => "write the fraction with a dot, as in 1.5".to_owned(),
        (None, _) => format!("write {number} without a unit, or {number}k, {number}M, {number}G"),
        (Some(letter), "i" | "I") if "kMGTPE".contains(letter) => {
            format!("write {number}{}i", letter.to_ascii_uppercase())
        }
        (Some(letter), "") if "kMGTPE".contains(letter) => format!(
            "write {number}{}i for powers of 1024 or {number}{letter} for powers of 1000",
            letter.to_ascii_uppercase()
        ),
        _ => "after the number, use n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent such as e3"
            .to_owned(),
    };
    let shorten = |text: &str| match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    };
    // A remedy repeats the number; a number too long to repeat is not worth repeating.
    let remedy =
        if number.len() > 32 { "write a shorter number such as 8, 500m or 800Gi".into() } else { remedy };
    QuantityError { text: shorten(text), remedy }
}
