//! Quantities as Go keeps them after parsing (apimachinery `pkg/api/resource`, `ParseQuantity`): a number and a power of
//! ten where 64 bits do, else a big decimal in nano units; the text itself where it is canonical. The form depends on how
//! the amount is spelled, and so does the hash. Amounts above 10^28 units are not told apart.

use crate::api::quantity::Quantity;
use serde_json::Value;

/// A quantity after parsing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) value: i64,
    pub(super) scale: i32,
    pub(super) big: Option<Big>,
    /// The text, where it is the canonical one.
    pub(super) text: String,
    pub(super) format: Format,
}

/// `unscaled` times ten to the power of `-scale`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Big {
    pub(super) negative: bool,
    unscaled: u128,
    pub(super) scale: i32,
}

/// The family of suffixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    None,
    DecimalExponent,
    BinarySi,
    DecimalSi,
}

/// Digits that always fit 64 bits.
const DIGITS: i32 = 18;
const NANO: i32 = -9;

impl Big {
    /// The number in words of 64 bits, the lowest first.
    pub(super) fn words(&self) -> Vec<u64> {
        let words = [self.unscaled as u64, (self.unscaled >> 64) as u64];
        words[..2 - words.iter().rev().take_while(|word| **word == 0).count()].to_vec()
    }
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Format::None => "",
            Format::DecimalExponent => "DecimalExponent",
            Format::BinarySi => "BinarySI",
            Format::DecimalSi => "DecimalSI",
        }
    }
}

/// The text of a quantity in JSON: a string, or a number as Go writes it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(), // no exponent
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// What Go writes for a quantity: the text where it is canonical, else the canonical one.
pub(super) fn canonical(value: Option<&Value>) -> String {
    let Some((text, parsed)) = value.and_then(|value| Some((text_of(value)?, Parsed::of(value)?))) else {
        return "0".to_owned();
    };
    if !parsed.text.is_empty() {
        return parsed.text;
    }
    Quantity(text.clone()).amount().map_or(text, |amount| amount.to_string())
}

impl Parsed {
    /// Parses a quantity; `None` if it is none.
    pub(super) fn of(value: &Value) -> Option<Parsed> {
        let text = text_of(value)?;
        if text == "0" {
            return Some(Parsed { text, format: Format::DecimalSi, ..Parsed::default() });
        }
        let split = Split::of(&text)?;
        let (base, exponent, format) = interpret(split.suffix)?;
        split.small(&text, exponent, format).or_else(|| split.big(base, exponent, format))
    }
}

/// The parts of a quantity's text.
struct Split<'t> {
    positive: bool,
    /// Digits before the point, without leading zeros, `0` if there are none.
    whole: &'t str,
    /// Digits behind it.
    fraction: &'t str,
    suffix: &'t str,
}

impl<'t> Split<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let digits = |text: &'t str| text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let (whole, rest) = digits(unsigned.trim_start_matches('0'));
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
        let whole = if whole.is_empty() { "0" } else { whole };
        (!text.is_empty()).then_some(Split { positive: !text.starts_with('-'), whole, fraction, suffix })
    }

    /// In 64 bits, if it fits.
    fn small(&self, text: &str, exponent: i32, format: Format) -> Option<Parsed> {
        let digits = (self.whole.len() + self.fraction.len()) as i32;
        let (scale, factor, precision) = match format {
            Format::BinarySi if !self.fraction.is_empty() => return None,
            Format::BinarySi => (0, 1i64 << exponent, 15 - self.whole.len() as i32 - exponent * 3 / 10 - 1),
            _ => (exponent, 1, DIGITS - digits),
        };
        let scale = scale - self.fraction.len() as i32;
        if precision < 0 || scale < NANO {
            return None;
        }
        let shifted = format!("{}{}", self.whole, self.fraction);
        let value: i64 = shifted.parse().ok()?;
        let result = value.checked_mul(factor)?;
        let is_canonical = match format {
            Format::BinarySi => exponent % 10 == 0 && value & 7 != 0,
            _ => scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'),
        };
        Some(Parsed {
            value: if self.positive { result } else { -result },
            scale,
            big: None,
            text: if is_canonical { text.to_owned() } else { String::new() },
            format,
        })
    }

    /// As a decimal in nano units, rounded up; binary ones at most 2^63-1.
    fn big(&self, base: u32, exponent: i32, format: Format) -> Option<Parsed> {
        let unscaled: u128 = format!("{}{}", self.whole, self.fraction).parse().unwrap_or(u128::MAX);
        let unscaled = if base == 2 { unscaled.saturating_mul(1 << exponent) } else { unscaled };
        // Digits behind the point, above those of a nano unit; below zero there are too few.
        let scale = self.fraction.len() as i32 - if base == 10 { exponent } else { 0 };
        let surplus = scale + NANO;
        let power = 10u128.checked_pow(surplus.unsigned_abs()).unwrap_or(u128::MAX);
        let nano = if surplus > 0 { unscaled.div_ceil(power) } else { unscaled.saturating_mul(power) };
        let most = i64::MAX as u128;
        let one = 1_000_000_000;
        let (unscaled, scale) = match format {
            Format::BinarySi if nano > most * one => (most, 0),
            _ if unscaled == 0 => (0, scale),
            _ => (nano, -NANO),
        };
        let format =
            if format == Format::BinarySi && nano > 0 && nano < one { Format::DecimalSi } else { format };
        let big = Big { negative: !self.positive && unscaled > 0, unscaled, scale };
        Some(Parsed { big: Some(big), format, ..Parsed::default() })
    }
}

/// Base, exponent and family of a suffix.
fn interpret(suffix: &str) -> Option<(u32, i32, Format)> {
    const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(at) = DECIMAL.iter().position(|one| *one == suffix) {
        return Some((10, at as i32 * 3 + NANO, Format::DecimalSi));
    }
    if let Some(at) = BINARY.iter().position(|one| *one == suffix) {
        return Some((2, (at as i32 + 1) * 10, Format::BinarySi));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((10, exponent, Format::DecimalExponent))
}
