//! The table of fields (`src/api/strict/kubernetes.txt`) is what the types of Kubernetes have: every struct is decoded from
//! nothing, and the names that it asks for are noted.

use k8s_openapi::api::{apps, batch, core, policy, scheduling, storage};
use serde::de::value::Error;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Structs, with their fields and types as the table writes them.
type Structs = RefCell<BTreeMap<&'static str, Vec<(&'static str, String)>>>;

/// Answers every question of a type with the least that it takes, and notes what was asked.
#[derive(Clone, Copy)]
struct Probe<'a> {
    structs: &'a Structs,
    /// The type that was asked for last.
    type_: &'a RefCell<String>,
}

impl Probe<'_> {
    fn note(&self, type_: &str) {
        self.type_.borrow_mut().push_str(type_);
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // What takes anything: a quantity, or JSON.
        let (mut of_text, probe) = (String::new(), self);
        std::fmt::Write::write_fmt(&mut of_text, format_args!("{}", Expecting(&visitor))).unwrap();
        match of_text.as_str() {
            "Quantity" => probe.note("quantity"),
            "IntOrString" => probe.note("int-or-text"),
            _ => probe.note("any"),
        }
        visitor.visit_str("0").or_else(|_: Error| visitor_gone())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match name {
            "Time" | "MicroTime" => {
                self.note("time");
                let quiet = RefCell::new(String::new());
                visitor.visit_newtype_struct(Probe { type_: &quiet, ..self })
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("text");
        visitor.visit_str("2026-01-01T00:00:00Z")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("bool");
        visitor.visit_bool(false)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("int");
        visitor.visit_i32(0)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("int");
        visitor.visit_i64(0)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("number");
        visitor.visit_f64(0.0)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("[");
        let value = visitor.visit_seq(Once { probe: self, left: true })?;
        self.note("]");
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note("{");
        let value = visitor.visit_map(Once { probe: self, left: true })?;
        self.note("}");
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(name);
        visitor.visit_map(Fields { probe: self, name, left: fields, types: Vec::new() })
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

fn visitor_gone<T>() -> Result<T, Error> {
    Err(serde::de::Error::custom("a type that takes no text"))
}

/// What a visitor says that it expects.
struct Expecting<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> std::fmt::Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }
}

/// One item, or one entry.
struct Once<'a> {
    probe: Probe<'a>,
    left: bool,
}

impl<'de> SeqAccess<'de> for Once<'_> {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if !std::mem::take(&mut self.left) {
            return Ok(None);
        }
        seed.deserialize(self.probe).map(Some)
    }
}

impl<'de> MapAccess<'de> for Once<'_> {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !std::mem::take(&mut self.left) {
            return Ok(None);
        }
        seed.deserialize("key".into_deserializer()).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(self.probe)
    }
}

/// The fields of a struct, one after the other.
struct Fields<'a> {
    probe: Probe<'a>,
    name: &'static str,
    left: &'static [&'static str],
    types: Vec<(&'static str, String)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((field, left)) = self.left.split_first() else {
            if !self.types.is_empty() {
                self.probe.structs.borrow_mut().insert(self.name, std::mem::take(&mut self.types));
            }
            return Ok(None);
        };
        self.left = left;
        self.types.push((field, String::new()));
        seed.deserialize((*field).into_deserializer()).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let type_ = RefCell::new(String::new());
        let field = self.types.last().unwrap().0;
        let value = match field {
            // Every kind checks what it is.
            "apiVersion" | "kind" if KINDS.contains(&self.name) => {
                type_.borrow_mut().push_str("text");
                let text = if field == "kind" { self.name } else { version(self.name) };
                seed.deserialize(text.into_deserializer())?
            }
            _ => seed.deserialize(Probe { type_: &type_, ..self.probe })?,
        };
        self.types.last_mut().unwrap().1 = type_.into_inner();
        Ok(value)
    }
}

/// Kinds that the table begins with.
const KINDS: [&str; 15] = [
    "CSINode",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "PriorityClass",
    "ReplicaSet",
    "Service",
    "StatefulSet",
    "StorageClass",
];

fn version(kind: &str) -> &'static str {
    match kind {
        "CSINode" | "StorageClass" => "storage.k8s.io/v1",
        "CronJob" | "Job" => "batch/v1",
        "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" => "apps/v1",
        "PodDisruptionBudget" => "policy/v1",
        "PriorityClass" => "scheduling.k8s.io/v1",
        _ => "v1",
    }
}

fn probe<T: for<'de> Deserialize<'de>>(structs: &Structs) {
    let type_ = RefCell::new(String::new());
    T::deserialize(Probe { structs, type_: &type_ })
        .unwrap_or_else(|error| panic!("{error}: {}", type_.borrow()));
}

#[test]
fn the_table_of_fields_is_that_of_kubernetes() {
    let structs = Structs::default();
    probe::<core::v1::Pod>(&structs);
    probe::<core::v1::Node>(&structs);
    probe::<core::v1::PersistentVolumeClaim>(&structs);
    probe::<core::v1::PersistentVolume>(&structs);
    probe::<core::v1::Service>(&structs);
    probe::<storage::v1::StorageClass>(&structs);
    probe::<storage::v1::CSINode>(&structs);
    probe::<scheduling::v1::PriorityClass>(&structs);
    probe::<apps::v1::Deployment>(&structs);
    probe::<apps::v1::ReplicaSet>(&structs);
    probe::<apps::v1::StatefulSet>(&structs);
    probe::<apps::v1::DaemonSet>(&structs);
    probe::<batch::v1::Job>(&structs);
    probe::<batch::v1::CronJob>(&structs);
    probe::<policy::v1::PodDisruptionBudget>(&structs);
    let structs = structs.into_inner();
    let table = include_str!("../../src/api/strict/kubernetes.txt");
    let known: BTreeMap<&str, BTreeMap<&str, &str>> = table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, fields)| {
            let fields =
                fields.split_whitespace().map(|field| field.split_once('=').unwrap_or((field, "text")));
            (name, fields.collect())
        })
        .collect();
    let found: BTreeMap<&str, BTreeMap<&str, &str>> = structs
        .iter()
        .map(|(name, fields)| (*name, fields.iter().map(|(field, type_)| (*field, type_.as_str())).collect()))
        .collect();
    assert!(found.len() > 200, "{} structs", found.len());
    for (name, fields) in &found {
        assert_eq!(known.get(name), Some(fields), "{name}");
    }
    assert_eq!(known.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
}
