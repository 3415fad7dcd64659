//! The exact amount that a quantity stands for, and its canonical text.

use super::Quantity;
use std::cmp::Ordering;

/// Nano units in one unit.
pub(super) const NANO: i128 = 1_000_000_000;
/// Amounts stop growing here (10^28 units), far above anything that an `i64` can count; two of them still add up.
pub(super) const LIMIT: i128 = 10i128.pow(37);

/// Which family of suffixes an amount is written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// `n u m k M G T P E`: powers of 1000.
    #[default]
    Decimal,
    /// `Ki Mi Gi Ti Pi Ei`: powers of 1024.
    Binary,
    /// `e3`, `e6`: powers of 1000 as exponents.
    Exponent,
}

/// An exact amount in nano units, with the family of suffixes that it was written with. Equality and order look at
/// the amount alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amount {
    nano: i128,
    format: Format,
}

impl Amount {
    /// So many nano units (10^-9).
    pub(super) fn from_nano(nano: i128, format: Format) -> Self {
        Amount { nano: nano.clamp(-LIMIT, LIMIT), format }
    }

    /// So many thousandths.
    pub fn from_milli(milli: i64, format: Format) -> Self {
        Amount { nano: i128::from(milli) * (NANO / 1000), format }
    }

    /// So many units.
    pub fn from_value(value: i64, format: Format) -> Self {
        Amount { nano: i128::from(value) * NANO, format }
    }

    /// Thousandths, rounded away from zero, saturating.
    pub fn milli(self) -> i64 {
        saturate(divide_away(self.nano, NANO / 1000))
    }

    /// Units, rounded away from zero, saturating.
    pub fn value(self) -> i64 {
        saturate(divide_away(self.nano, NANO))
    }

    /// Is it nothing?
    pub fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// Is it below nothing?
    pub fn is_negative(self) -> bool {
        self.nano < 0
    }

    /// The family of suffixes that it is written with.
    pub fn format(self) -> Format {
        self.format
    }

    /// The sum, written as the first of the two that is not zero: Go's `Add`.
    #[must_use]
    pub fn plus(self, other: Amount) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Amount::from_nano(self.nano + other.nano, format)
    }

    /// The difference, written as the first of the two: Go's `Sub`.
    #[must_use]
    pub fn minus(self, other: Amount) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Amount::from_nano(self.nano - other.nano, format)
    }

    /// The least `self + n * step` (n a whole number from 0) that is not below `floor`; `self` where the step is nothing.
    #[must_use]
    pub fn stepped(self, step: Amount, floor: Amount) -> Self {
        if step.nano <= 0 || floor.nano <= self.nano {
            return self;
        }
        let steps = (floor.nano - self.nano - 1) / step.nano + 1;
        Amount::from_nano(self.nano.saturating_add(steps.saturating_mul(step.nano)), self.format)
    }

    /// How often another amount, above nothing, goes into it; 0 where it is below nothing.
    pub fn holds(self, part: Amount) -> u64 {
        if self.nano <= 0 || part.nano <= 0 { 0 } else { (self.nano / part.nano).min(1 << 40) as u64 }
    }

    /// Is it a whole number of units?
    pub fn is_whole(self) -> bool {
        self.nano % NANO == 0
    }

    /// Below, at or above nothing: -1, 0 or 1.
    pub fn sign(self) -> i64 {
        self.nano.signum() as i64
    }

    /// The same amount so many times.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Amount::from_nano(self.nano.saturating_mul(i128::from(count)), self.format)
    }

    /// Its canonical text as a quantity.
    pub fn to_quantity(self) -> Quantity {
        Quantity(self.to_string())
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

/// Canonical text: no fraction, no precision lost, the largest suffix that divides. Binary suffixes give way to
/// decimal ones below 1024 and where there is a fraction of a unit, as Kubernetes prints it.
impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nano == 0 {
            return f.pad("0");
        }
        if self.format == Format::Binary && self.nano.abs() >= 1024 * NANO && self.nano % NANO == 0 {
            let (number, steps) = strip(self.nano / NANO, 1024, 6);
            return f.pad(&format!("{number}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][steps]));
        }
        let (number, steps) = strip(self.nano, 1000, usize::MAX);
        let suffix = match (self.format, ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].get(steps)) {
            (Format::Decimal | Format::Binary, Some(suffix)) => (*suffix).to_owned(),
            (Format::Exponent, Some(&"")) => String::new(),
            _ => format!("e{}", 3 * steps as i64 - 9),
        };
        f.pad(&format!("{number}{suffix}"))
    }
}

/// Divides by `base` while that leaves no remainder, at most `limit` times.
fn strip(mut number: i128, base: i128, limit: usize) -> (i128, usize) {
    let mut steps = 0;
    while steps < limit && number % base == 0 {
        number /= base;
        steps += 1;
    }
    (number, steps)
}

/// Integer division that rounds away from zero.
fn divide_away(number: i128, by: i128) -> i128 {
    number / by + (number % by).signum()
}

fn saturate(number: i128) -> i64 {
    number.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
