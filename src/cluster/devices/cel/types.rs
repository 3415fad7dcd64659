//! Types of expressions and signatures of functions, as far as they are known before anything is evaluated.
//!
//! Semantics: CEL's gradual type check. `dyn` goes with everything; what is wrong with known types is an error before the
//! expression is ever used.

use std::fmt;

/// A type; letters stand for any type that is the same wherever the letter is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Dyn,
    /// Of the elements of an empty list or map: goes with everything, and gives way to what it meets.
    Nothing,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Quantity,
    Semver,
    Device,
    Kind,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    Letter(usize),
}

/// Types that letters stand for in one call.
pub(super) type Letters = [Option<Type>; 2];

/// A function for arguments of these types.
#[derive(Clone, Debug)]
pub(super) struct Overload {
    pub(super) arguments: Vec<Type>,
    pub(super) result: Type,
}

impl Type {
    pub(super) fn list(of: Type) -> Type {
        Type::List(Box::new(of))
    }

    pub(super) fn map(key: Type, value: Type) -> Type {
        Type::Map(Box::new(key), Box::new(value))
    }

    pub(super) fn optional(of: Type) -> Type {
        Type::Optional(Box::new(of))
    }

    /// What both are, as far as that is one type.
    pub(super) fn join(&self, other: &Type) -> Option<Type> {
        Some(match (self, other) {
            (Type::Nothing, it) | (it, Type::Nothing) => it.clone(),
            (Type::Dyn, _) | (_, Type::Dyn) => Type::Dyn,
            (Type::List(a), Type::List(b)) => Type::list(a.join(b)?),
            (Type::Optional(a), Type::Optional(b)) => Type::optional(a.join(b)?),
            (Type::Map(a, b), Type::Map(c, d)) => Type::map(a.join(c)?, b.join(d)?),
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }

    /// Does an argument of a type go where this is asked for?
    pub(super) fn takes(&self, given: &Type, letters: &mut Letters) -> bool {
        match (self, given) {
            (Type::Letter(at), given) => {
                let joined = match &letters[*at] {
                    None => Some(given.clone()),
                    Some(known) => known.join(given),
                };
                let fits = joined.is_some();
                letters[*at] = joined.or_else(|| letters[*at].take());
                fits
            }
            (Type::Dyn, _) | (_, Type::Dyn | Type::Nothing) => true,
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => a.takes(b, letters),
            (Type::Map(a, b), Type::Map(c, d)) => a.takes(c, letters) && b.takes(d, letters),
            (a, b) => a == b,
        }
    }

    /// With letters replaced by what they stand for.
    pub(super) fn filled(&self, letters: &Letters) -> Type {
        match self {
            Type::Letter(at) => letters[*at].clone().unwrap_or(Type::Dyn),
            Type::List(a) => Type::list(a.filled(letters)),
            Type::Optional(a) => Type::optional(a.filled(letters)),
            Type::Map(a, b) => Type::map(a.filled(letters), b.filled(letters)),
            plain => plain.clone(),
        }
    }

    /// Reads `list(A)`, `map(string, dyn)`, `int`.
    pub(super) fn read(text: &str) -> Option<Type> {
        let text = text.trim();
        if let Some((head, inner)) = text.split_once('(') {
            let parts = split(inner.strip_suffix(')')?);
            return Some(match (head, &*parts) {
                ("list", [of]) => Type::list(Type::read(of)?),
                ("optional", [of]) => Type::optional(Type::read(of)?),
                ("map", [key, value]) => Type::map(Type::read(key)?, Type::read(value)?),
                _ => return None,
            });
        }
        Some(match text {
            "dyn" => Type::Dyn,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "quantity" => Type::Quantity,
            "semver" => Type::Semver,
            "type" => Type::Kind,
            "A" => Type::Letter(0),
            "B" => Type::Letter(1),
            _ => return None,
        })
    }
}

/// Parts between commas that are in no parentheses.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(&text[start..]);
    }
    parts
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Dyn | Type::Nothing => "dyn",
            Type::Null => "null",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Quantity => "quantity",
            Type::Semver => "semver",
            Type::Device => "device",
            Type::Kind => "type",
            Type::List(of) => return write!(f, "list({of})"),
            Type::Map(key, value) => return write!(f, "map({key}, {value})"),
            Type::Optional(of) => return write!(f, "optional({of})"),
            Type::Letter(at) => return write!(f, "{}", ['A', 'B'][*at]),
        })
    }
}
