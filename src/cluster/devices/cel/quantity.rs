//! Quantities in expressions: Kubernetes' library around `resource.Quantity`.

use super::CelError;
use super::value::Value;
use crate::api::quantity::{Amount, Format, Quantity};

/// Reads a quantity. Go keeps one as an integer if its digits after the point are none once its suffix is applied, and
/// never one with a fraction and a binary suffix: `isInteger` of `1.5Gi` is false.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let amount = Quantity(text.to_owned()).amount().map_err(|error| error.to_string())?;
    if text.trim() != text {
        return Err(format!("{text:?} is not a quantity: it has spaces around it"));
    }
    Ok(Value::Quantity(amount, is_integer(text, amount)))
}

fn is_integer(text: &str, amount: Amount) -> bool {
    let number = text.trim_start_matches(['+', '-']);
    let digits = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
    let (number, suffix) = number.split_at(digits);
    let fraction = number.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
    let exponent = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        _ if suffix.ends_with('i') => return fraction == 0 && fits(amount),
        _ => suffix[1..].parse::<i64>().unwrap_or(-1),
    };
    exponent >= fraction && fits(amount)
}

fn fits(amount: Amount) -> bool {
    let value = amount.value();
    amount.is_whole() && Amount::from_value(value, Format::Decimal) == amount
}

/// The functions of quantities; `None` if this is none.
pub(super) fn call(name: &str, arguments: &[Value]) -> Option<Result<Value, CelError>> {
    let wrong = |message: String| Err(CelError::Runtime(message));
    let sum = |a: Amount, b: Amount, whole: bool| Ok(Value::Quantity(a.plus(b), whole && fits(a.plus(b))));
    let rest = |a: Amount, b: Amount, whole: bool| Ok(Value::Quantity(a.minus(b), whole && fits(a.minus(b))));
    let plain = |int: i64| Amount::from_value(int, Format::Decimal);
    Some(match (name, arguments) {
        ("quantity", [Value::Text(text)]) => read(text).or_else(wrong),
        ("isQuantity", [Value::Text(text)]) => Ok(Value::Bool(read(text).is_ok())),
        (".sign", [Value::Quantity(a, _)]) => Ok(Value::Int(a.sign())),
        (".isInteger", [Value::Quantity(_, whole)]) => Ok(Value::Bool(*whole)),
        (".asInteger", [Value::Quantity(a, true)]) => Ok(Value::Int(a.value())),
        (".asInteger", [Value::Quantity(a, false)]) => wrong(format!("{a} cannot be read as an integer")),
        (".asApproximateFloat", [Value::Quantity(a, _)]) => Ok(Value::Double(approximate(*a))),
        (".add", [Value::Quantity(a, x), Value::Quantity(b, y)]) => sum(*a, *b, *x && *y),
        (".add", [Value::Quantity(a, x), Value::Int(b)]) => sum(*a, plain(*b), *x),
        (".sub", [Value::Quantity(a, x), Value::Quantity(b, y)]) => rest(*a, *b, *x && *y),
        (".sub", [Value::Quantity(a, x), Value::Int(b)]) => rest(*a, plain(*b), *x),
        (".isGreaterThan", [Value::Quantity(a, _), Value::Quantity(b, _)]) => Ok(Value::Bool(a > b)),
        (".isLessThan", [Value::Quantity(a, _), Value::Quantity(b, _)]) => Ok(Value::Bool(a < b)),
        (".compareTo", [Value::Quantity(a, _), Value::Quantity(b, _)]) => Ok(Value::Int(a.cmp(b) as i64)),
        _ => return None,
    })
}

/// The nearest double: expressions may compare it, nothing is decided by it otherwise.
fn approximate(amount: Amount) -> f64 {
    let digits = format!("{}e-3", amount.milli());
    digits.parse().unwrap_or(f64::NAN)
}
