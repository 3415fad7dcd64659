//! Functions and operators on values: CEL's own, and the extensions for texts, lists, sets and optionals.

use super::CelError;
use super::program::Machine;
use super::value::{Map, Value};
use super::{quantity, semver::Version, texts};
use regex::Regex;
use std::cmp::Ordering;
use std::sync::Arc;

type Computed = Result<Value, CelError>;

pub(super) fn fails<T>(message: impl Into<String>) -> Result<T, CelError> {
    Err(CelError::Runtime(message.into()))
}

/// What a map has under a key.
pub(super) fn look_up(map: &Map, key: &Value) -> Computed {
    match (map.get(key), key) {
        (Some(value), _) => Ok(value.clone()),
        (None, _) if map.reads_empty => Ok(Value::Map(Arc::default())),
        (None, Value::Text(key)) => fails(format!("no such key: {key}")),
        (None, Value::Int(key)) => fails(format!("no such key: {key}")),
        (None, _) => fails("no such key"),
    }
}

/// Calls a function. Its arguments have been checked as far as their types were known.
pub(super) fn call(
    machine: &mut Machine<'_>,
    name: &str,
    arguments: &[Value],
    pattern: Option<&Regex>,
) -> Computed {
    let lengths = arguments.iter().map(|value| match value {
        Value::Text(text) => text.len() as u64 / 10,
        Value::List(list) if name != "_+_" => list.len() as u64,
        _ => 0,
    });
    machine.pay(lengths.sum())?;
    if let Some(result) = arithmetic(name, arguments)
        .or_else(|| plain(name, arguments))
        .or_else(|| of_lists(name, arguments))
        .or_else(|| quantity::call(name, arguments))
        .or_else(|| of_versions(name, arguments))
        .or_else(|| texts::call(name, arguments, pattern))
        .or_else(|| convert(name, arguments))
    {
        return result;
    }
    let kinds: Vec<&str> = arguments.iter().map(Value::kind).collect();
    fails(format!("no such overload: {}({})", name.trim_start_matches('.'), kinds.join(", ")))
}

/// Numbers; overflow is an error.
#[allow(clippy::float_arithmetic)] // doubles of expressions are compared, and decide nothing else
fn arithmetic(name: &str, arguments: &[Value]) -> Option<Computed> {
    let int = |value: Option<i64>| {
        value.map_or_else(|| fails("integer overflow or division by zero"), |it| Ok(Value::Int(it)))
    };
    let uint = |value: Option<u64>| {
        value.map_or_else(|| fails("integer overflow or division by zero"), |it| Ok(Value::Uint(it)))
    };
    let double = |value: f64| Ok(Value::Double(value));
    Some(match (name, arguments) {
        ("_+_", [Value::Int(a), Value::Int(b)]) => int(a.checked_add(*b)),
        ("_-_", [Value::Int(a), Value::Int(b)]) => int(a.checked_sub(*b)),
        ("_*_", [Value::Int(a), Value::Int(b)]) => int(a.checked_mul(*b)),
        ("_/_", [Value::Int(a), Value::Int(b)]) => int(a.checked_div(*b)),
        ("_%_", [Value::Int(a), Value::Int(b)]) => int(a.checked_rem(*b)),
        ("-_", [Value::Int(a)]) => int(a.checked_neg()),
        ("_+_", [Value::Uint(a), Value::Uint(b)]) => uint(a.checked_add(*b)),
        ("_-_", [Value::Uint(a), Value::Uint(b)]) => uint(a.checked_sub(*b)),
        ("_*_", [Value::Uint(a), Value::Uint(b)]) => uint(a.checked_mul(*b)),
        ("_/_", [Value::Uint(a), Value::Uint(b)]) => uint(a.checked_div(*b)),
        ("_%_", [Value::Uint(a), Value::Uint(b)]) => uint(a.checked_rem(*b)),
        ("_+_", [Value::Double(a), Value::Double(b)]) => double(a + b),
        ("_-_", [Value::Double(a), Value::Double(b)]) => double(a - b),
        ("_*_", [Value::Double(a), Value::Double(b)]) => double(a * b),
        ("_/_", [Value::Double(a), Value::Double(b)]) => double(a / b),
        ("-_", [Value::Double(a)]) => double(-a),
        ("_+_", [Value::Text(a), Value::Text(b)]) => Ok(Value::text(&format!("{a}{b}"))),
        ("_+_", [Value::Bytes(a), Value::Bytes(b)]) => Ok(Value::Bytes([&**a, &**b].concat().into())),
        ("_+_", [Value::List(a), Value::List(b)]) => Ok(Value::list([a.as_slice(), b].concat())),
        _ => return None,
    })
}

/// Comparison, membership, indices, sizes, optionals.
fn plain(name: &str, arguments: &[Value]) -> Option<Computed> {
    let ordered = |a: &Value, b: &Value, holds: fn(Ordering) -> bool| match a.compare(b) {
        Some(order) => Ok(Value::Bool(holds(order))),
        None if matches!((a, b), (Value::Double(_), _) | (_, Value::Double(_))) => Ok(Value::Bool(false)),
        None => fails(format!("no such overload: {} and {} have no order", a.kind(), b.kind())),
    };
    let some = |value: Value| Ok(Value::Optional(Some(Arc::new(value))));
    Some(match (name, arguments) {
        ("_==_", [a, b]) => Ok(Value::Bool(a.equals(b))),
        ("_!=_", [a, b]) => Ok(Value::Bool(!a.equals(b))),
        ("_<_", [a, b]) => ordered(a, b, Ordering::is_lt),
        ("_<=_", [a, b]) => ordered(a, b, Ordering::is_le),
        ("_>_", [a, b]) => ordered(a, b, Ordering::is_gt),
        ("_>=_", [a, b]) => ordered(a, b, Ordering::is_ge),
        ("@in", [it, Value::List(list)]) => Ok(Value::Bool(list.iter().any(|one| one.equals(it)))),
        ("@in", [it, Value::Map(map)]) => Ok(Value::Bool(map.get(it).is_some())),
        ("_[_]", [Value::Map(map), key]) => look_up(map, key),
        ("_[_]", [Value::List(list), at]) => match index(at, list.len()) {
            Some(at) => Ok(list[at].clone()),
            None => fails(format!("index out of bounds: the list has {} elements", list.len())),
        },
        ("_[?_]" | "_[_]", [Value::Optional(None), _]) => Ok(Value::Optional(None)),
        ("_[?_]" | "_[_]", [Value::Optional(Some(inner)), at]) => {
            return plain("_[?_]", &[(**inner).clone(), at.clone()]);
        }
        ("_[?_]", [Value::Map(map), key]) => match map.get(key) {
            None if !map.reads_empty => Ok(Value::Optional(None)),
            _ => return Some(look_up(map, key).and_then(some)),
        },
        ("_[?_]", [Value::List(list), at]) => match index(at, list.len()) {
            Some(at) => some(list[at].clone()),
            None => Ok(Value::Optional(None)),
        },
        ("size" | ".size", [Value::Text(text)]) => Ok(Value::Int(text.chars().count() as i64)),
        ("size" | ".size", [Value::Bytes(bytes)]) => Ok(Value::Int(bytes.len() as i64)),
        ("size" | ".size", [Value::List(list)]) => Ok(Value::Int(list.len() as i64)),
        ("size" | ".size", [Value::Map(map)]) => Ok(Value::Int(map.entries.len() as i64)),
        ("optional.of", [value]) => some(value.clone()),
        ("optional.ofNonZeroValue", [value]) if is_zero(value) => Ok(Value::Optional(None)),
        ("optional.ofNonZeroValue", [value]) => some(value.clone()),
        ("optional.none", []) => Ok(Value::Optional(None)),
        (".hasValue", [Value::Optional(value)]) => Ok(Value::Bool(value.is_some())),
        (".value", [Value::Optional(Some(value))]) => Ok((**value).clone()),
        (".value", [Value::Optional(None)]) => fails("an optional value that is none has no value"),
        (".or", [Value::Optional(None), other]) => Ok(other.clone()),
        (".or", [first @ Value::Optional(Some(_)), _]) => Ok(first.clone()),
        (".orValue", [Value::Optional(value), other]) => {
            Ok(value.as_ref().map_or_else(|| other.clone(), |value| (**value).clone()))
        }
        _ => return None,
    })
}

fn index(at: &Value, length: usize) -> Option<usize> {
    (0..length).find(|&here| Value::Int(here as i64).equals(at))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) | Value::Uint(0) | Value::Optional(None) => true,
        Value::Double(it) => *it == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.entries.is_empty(),
        _ => false,
    }
}

/// Functions of lists and sets.
fn of_lists(name: &str, arguments: &[Value]) -> Option<Computed> {
    let has = |list: &[Value], it: &Value| list.iter().any(|one| one.equals(it));
    let covers = |a: &[Value], b: &[Value]| b.iter().all(|it| has(a, it));
    let at = |found: Option<usize>| Ok(Value::Int(found.map_or(-1, |at| at as i64)));
    let extreme = |list: &[Value], wanted: Ordering| {
        let better =
            |best: Value, it: &Value| if it.compare(&best) == Some(wanted) { it.clone() } else { best };
        match list.split_first() {
            Some((first, rest)) => Ok(rest.iter().fold(first.clone(), better)),
            None => fails("min and max of an empty list"),
        }
    };
    Some(match (name, arguments) {
        ("sets.contains", [Value::List(a), Value::List(b)]) => Ok(Value::Bool(covers(a, b))),
        ("sets.equivalent", [Value::List(a), Value::List(b)]) => {
            Ok(Value::Bool(covers(a, b) && covers(b, a)))
        }
        ("sets.intersects", [Value::List(a), Value::List(b)]) => {
            Ok(Value::Bool(b.iter().any(|it| has(a, it))))
        }
        (".includes", [Value::List(list), it]) => Ok(Value::Bool(has(list, it))),
        (".includes", [one, it]) => Ok(Value::Bool(one.equals(it))),
        (".isSorted", [Value::List(list)]) => {
            let sorted = list.windows(2).all(|pair| pair[0].compare(&pair[1]).is_some_and(Ordering::is_le));
            Ok(Value::Bool(sorted))
        }
        (".sum", [Value::List(list)]) => match list.split_first() {
            None => Ok(Value::Int(0)),
            Some((first, rest)) => rest.iter().try_fold(first.clone(), |sum, it| {
                arithmetic("_+_", &[sum, it.clone()]).unwrap_or_else(|| fails("sum takes numbers"))
            }),
        },
        (".min", [Value::List(list)]) => extreme(list, Ordering::Less),
        (".max", [Value::List(list)]) => extreme(list, Ordering::Greater),
        (".indexOf", [Value::List(list), it]) => at(list.iter().position(|one| one.equals(it))),
        (".lastIndexOf", [Value::List(list), it]) => at(list.iter().rposition(|one| one.equals(it))),
        _ => return None,
    })
}

fn of_versions(name: &str, arguments: &[Value]) -> Option<Computed> {
    let made = |version: Result<Version, String>| match version {
        Ok(version) => Ok(Value::Semver(Arc::new(version))),
        Err(error) => fails(error),
    };
    let read =
        |text: &str, relaxed: bool| if relaxed { Version::read_relaxed(text) } else { Version::read(text) };
    let part = |number: u64| {
        i64::try_from(number).map_or_else(|_| fails("integer overflow"), |it| Ok(Value::Int(it)))
    };
    Some(match (name, arguments) {
        ("semver", [Value::Text(text)]) => made(read(text, false)),
        ("semver", [Value::Text(text), Value::Bool(relaxed)]) => made(read(text, *relaxed)),
        ("isSemver", [Value::Text(text)]) => Ok(Value::Bool(read(text, false).is_ok())),
        ("isSemver", [Value::Text(text), Value::Bool(relaxed)]) => {
            Ok(Value::Bool(read(text, *relaxed).is_ok()))
        }
        (".major", [Value::Semver(a)]) => part(a.numbers[0]),
        (".minor", [Value::Semver(a)]) => part(a.numbers[1]),
        (".patch", [Value::Semver(a)]) => part(a.numbers[2]),
        (".isGreaterThan", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Bool(a.cmp(b).is_gt())),
        (".isLessThan", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Bool(a.cmp(b).is_lt())),
        (".compareTo", [Value::Semver(a), Value::Semver(b)]) => Ok(Value::Int(a.cmp(b) as i64)),
        _ => return None,
    })
}

/// Conversions between types.
#[allow(clippy::float_arithmetic)] // bounds of conversions
fn convert(name: &str, arguments: &[Value]) -> Option<Computed> {
    let no = |what: &str| fails(format!("the value is no {what}"));
    Some(match (name, arguments) {
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Value::Type(value.kind())),
        ("int", [Value::Int(it)]) => Ok(Value::Int(*it)),
        ("int", [Value::Uint(it)]) => i64::try_from(*it).map_or_else(|_| no("int"), |it| Ok(Value::Int(it))),
        ("int", [Value::Double(it)]) => match it.is_finite() && it.abs() < 9_223_372_036_854_775_807.0 {
            true => Ok(Value::Int(*it as i64)),
            false => no("int"),
        },
        ("int", [Value::Text(it)]) => it.parse().map_or_else(|_| no("int"), |it| Ok(Value::Int(it))),
        ("uint", [Value::Uint(it)]) => Ok(Value::Uint(*it)),
        ("uint", [Value::Int(it)]) => {
            u64::try_from(*it).map_or_else(|_| no("uint"), |it| Ok(Value::Uint(it)))
        }
        ("uint", [Value::Double(it)]) => match *it >= 0.0 && *it < 18_446_744_073_709_551_615.0 {
            true => Ok(Value::Uint(*it as u64)),
            false => no("uint"),
        },
        ("uint", [Value::Text(it)]) => it.parse().map_or_else(|_| no("uint"), |it| Ok(Value::Uint(it))),
        ("double", [Value::Double(it)]) => Ok(Value::Double(*it)),
        ("double", [Value::Int(it)]) => Ok(Value::Double(*it as f64)),
        ("double", [Value::Uint(it)]) => Ok(Value::Double(*it as f64)),
        ("double", [Value::Text(it)]) => it.parse().map_or_else(|_| no("double"), |it| Ok(Value::Double(it))),
        ("string", [Value::Text(it)]) => Ok(Value::Text(Arc::clone(it))),
        ("string", [Value::Int(it)]) => Ok(Value::text(&it.to_string())),
        ("string", [Value::Uint(it)]) => Ok(Value::text(&it.to_string())),
        ("string", [Value::Double(it)]) => Ok(Value::text(&it.to_string())),
        ("string", [Value::Bool(it)]) => Ok(Value::text(&it.to_string())),
        ("string", [Value::Bytes(it)]) => {
            std::str::from_utf8(it).map_or_else(|_| no("string"), |it| Ok(Value::text(it)))
        }
        ("bool", [Value::Bool(it)]) => Ok(Value::Bool(*it)),
        ("bool", [Value::Text(it)]) => match &**it {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => no("bool"),
        },
        ("bytes", [Value::Bytes(it)]) => Ok(Value::Bytes(Arc::clone(it))),
        ("bytes", [Value::Text(it)]) => Ok(Value::Bytes(it.as_bytes().into())),
        _ => return None,
    })
}
