//! Values that expressions compute with, and a device as one of them.

use super::CelError;
use super::semver::Version;
use crate::api::device::{Device, DeviceAttribute, qualified};
use crate::api::quantity::Amount;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value.
#[derive(Clone, Debug)]
pub(in crate::cluster::devices) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<Vec<Value>>),
    Map(Arc<Map>),
    /// An amount, and whether Kubernetes keeps it as an integer (`isInteger`).
    Quantity(Amount, bool),
    Semver(Arc<Version>),
    Optional(Option<Arc<Value>>),
    Type(&'static str),
}

/// Keys and values in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(in crate::cluster::devices) struct Map {
    pub(super) entries: Vec<(Value, Value)>,
    /// What is missing reads as an empty map: so it is with the domains of a device.
    pub(super) reads_empty: bool,
}

impl Map {
    pub(super) fn get(&self, key: &Value) -> Option<&Value> {
        self.entries.iter().find(|(known, _)| known.equals(key)).map(|(_, value)| value)
    }
}

impl Value {
    pub(super) fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    pub(super) fn list(values: Vec<Value>) -> Value {
        Value::List(Arc::new(values))
    }

    /// The name of its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Quantity(..) => "quantity",
            Value::Semver(_) => "semver",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
        }
    }

    /// Equality as CEL has it: numbers of different types are compared by value, other types that differ are not equal.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Quantity(a, _), Value::Quantity(b, _)) => a == b,
            (Value::Semver(a), Value::Semver(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Optional(a), Value::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals(b),
                (a, b) => a.is_none() && b.is_none(),
            },
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.entries.len() == b.entries.len()
                    && a.entries
                        .iter()
                        .all(|(key, value)| b.get(key).is_some_and(|other| other.equals(value)))
            }
            (a, b) => a.compare(b) == Some(Ordering::Equal),
        }
    }

    /// The order of two values, if they have one.
    pub(super) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Double(a), b) => Some(compare_double(*a, b.whole()?)?),
            (a, Value::Double(b)) => Some(compare_double(*b, a.whole()?)?.reverse()),
            (a, b) => Some(a.whole()?.cmp(&b.whole()?)),
        }
    }

    fn whole(&self) -> Option<i128> {
        match self {
            Value::Int(a) => Some(i128::from(*a)),
            Value::Uint(a) => Some(i128::from(*a)),
            _ => None,
        }
    }
}

fn compare_double(a: f64, b: i128) -> Option<Ordering> {
    if a.is_nan() {
        return None;
    }
    // Integers of CEL are well within what an i128 holds, and a double beyond them saturates on its side.
    let floor = a.floor();
    let order = (floor as i128).cmp(&b);
    Some(if order == Ordering::Equal && floor < a { Ordering::Greater } else { order })
}

/// A device as expressions see it.
pub(in crate::cluster::devices) fn describe(driver: &str, device: &Device) -> Result<Value, CelError> {
    let mut attributes: BTreeMap<&str, Vec<(Value, Value)>> = BTreeMap::new();
    for (name, attribute) in &device.attributes {
        let (domain, id) = qualified(name, driver);
        let value =
            value_of(attribute).map_err(|error| CelError::Runtime(format!("attribute {name}: {error}")))?;
        attributes.entry(domain).or_default().push((Value::text(id), value));
    }
    let mut capacity: BTreeMap<&str, Vec<(Value, Value)>> = BTreeMap::new();
    for (name, amount) in &device.capacity {
        let (domain, id) = qualified(name, driver);
        let value = super::quantity::read(&amount.value.0)
            .map_err(|error| CelError::Runtime(format!("capacity {name}: {error}")))?;
        capacity.entry(domain).or_default().push((Value::text(id), value));
    }
    let by_domain = |domains: BTreeMap<&str, Vec<(Value, Value)>>| {
        let entries = domains.into_iter().map(|(domain, entries)| {
            (Value::text(domain), Value::Map(Arc::new(Map { entries, reads_empty: false })))
        });
        Value::Map(Arc::new(Map { entries: entries.collect(), reads_empty: true }))
    };
    let entries = vec![
        (Value::text("driver"), Value::text(driver)),
        (Value::text("attributes"), by_domain(attributes)),
        (Value::text("capacity"), by_domain(capacity)),
        (Value::text("allowMultipleAllocations"), Value::Bool(device.is_sharable())),
    ];
    Ok(Value::Map(Arc::new(Map { entries, reads_empty: false })))
}

fn value_of(attribute: &DeviceAttribute) -> Result<Value, String> {
    let version = |text: &String| Ok::<_, String>(Value::Semver(Arc::new(Version::read(text)?)));
    Ok(match attribute {
        DeviceAttribute { int: Some(int), .. } => Value::Int(*int),
        DeviceAttribute { bool: Some(bool), .. } => Value::Bool(*bool),
        DeviceAttribute { string: Some(text), .. } => Value::text(text),
        DeviceAttribute { version: Some(text), .. } => version(text)?,
        DeviceAttribute { ints: Some(ints), .. } => {
            Value::list(ints.iter().map(|&int| Value::Int(int)).collect())
        }
        DeviceAttribute { bools: Some(all), .. } => {
            Value::list(all.iter().map(|&one| Value::Bool(one)).collect())
        }
        DeviceAttribute { strings: Some(all), .. } => {
            Value::list(all.iter().map(|text| Value::text(text)).collect())
        }
        DeviceAttribute { versions: Some(all), .. } => {
            Value::list(all.iter().map(version).collect::<Result<_, _>>()?)
        }
        _ => return Err("its value is of a type that is not known".to_owned()),
    })
}
