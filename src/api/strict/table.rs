//! The fields of core objects and of workloads, with their types: who knows which field.
//!
//! `kubernetes.txt` holds the field names and types of Kubernetes' own kinds, one struct a line, as the API reference of
//! v1.37 lists them; a test compares it with the types of `k8s-openapi`. `custom.txt` holds the custom workloads that
//! Phalanx reads and has no CRD for. A field without a type is a text.

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Bool,
    Integer,
    Number,
    Quantity,
    Time,
    IntegerOrText,
    /// Anything: nothing is checked below it.
    Any,
    List(Box<Type>),
    Map(Box<Type>),
    /// A struct, by its place in [`Table::structs`].
    Struct(usize),
}

/// A struct: its name and its fields by name.
#[derive(Debug)]
pub(super) struct Struct {
    pub(super) name: &'static str,
    pub(super) fields: Vec<(&'static str, Type)>,
}

impl Struct {
    pub(super) fn field(&self, name: &str) -> Option<&Type> {
        let at = self.fields.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(&self.fields[at].1)
    }
}

/// All structs.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) structs: Vec<Struct>,
    by_name: FxHashMap<&'static str, usize>,
}

impl Table {
    /// The struct of this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// The table, read once.
pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| read(&[include_str!("kubernetes.txt"), include_str!("custom.txt")]));

fn read(texts: &[&'static str]) -> Table {
    let lines = || texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.split_once(':'));
    let by_name: FxHashMap<_, _> = lines().enumerate().map(|(at, (name, _))| (name, at)).collect();
    let structs = lines().map(|(name, fields)| {
        let mut fields: Vec<(&str, Type)> = fields
            .split_whitespace()
            .map(|field| {
                let (field, type_) = field.split_once('=').unwrap_or((field, "text"));
                (field, read_type(type_, &by_name))
            })
            .collect();
        fields.sort_by_key(|&(field, _)| field);
        Struct { name, fields }
    });
    Table { structs: structs.collect(), by_name }
}

fn read_type(text: &str, by_name: &FxHashMap<&'static str, usize>) -> Type {
    let within = |open, close| text.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    if let Some(inner) = within('[', ']') {
        return Type::List(Box::new(read_type(inner, by_name)));
    }
    if let Some(inner) = within('{', '}') {
        return Type::Map(Box::new(read_type(inner, by_name)));
    }
    match text {
        "text" => Type::Text,
        "bool" => Type::Bool,
        "int" => Type::Integer,
        "number" => Type::Number,
        "quantity" => Type::Quantity,
        "time" => Type::Time,
        "int-or-text" => Type::IntegerOrText,
        name => by_name.get(name).map_or(Type::Any, |&at| Type::Struct(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_named_is_known() {
        let named = [include_str!("kubernetes.txt"), include_str!("custom.txt")].concat();
        for field in named.split_whitespace().filter_map(|word| word.split_once('=')) {
            let name = field.1.trim_matches(['[', ']', '{', '}']);
            let plain = ["text", "bool", "int", "number", "quantity", "time", "int-or-text", "any"];
            assert!(plain.contains(&name) || TABLE.named(name).is_some(), "{field:?}");
        }
    }
}
