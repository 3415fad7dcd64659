//! Fields that a struct does not have: what was probably meant, and where it belongs.

use super::table::{Struct, TABLE, Type};
use super::{Checker, NOT_A_FIELD, PathStep, render};
use crate::api::nearest::nearest;

/// Above so many known fields they are not listed.
const MOST: usize = 12;

impl<'a> Checker<'a> {
    /// A struct does not have this field.
    pub(super) fn unknown(&mut self, known: &'static Struct, name: &'a str) {
        let meant = self.meant(known, name);
        let unknown = self.stored || meant.is_none();
        let remedy = meant.unwrap_or_else(|| match known.fields.len() {
            0 => "leave it out".to_owned(),
            1..=MOST => {
                let names: Vec<&str> = known.fields.iter().map(|&(field, _)| field).collect();
                format!("known are {}", names.join(", "))
            }
            _ => "look the name up with kubectl explain".to_owned(),
        });
        self.within(PathStep::Field(name), |checker| checker.push(NOT_A_FIELD.to_owned(), remedy, unknown));
    }

    fn meant(&self, known: &'static Struct, name: &str) -> Option<String> {
        let names = || known.fields.iter().map(|&(field, _)| field);
        if let Some(field) = names().find(|field| field.eq_ignore_ascii_case(name)) {
            return Some(format!("did you mean {field}?"));
        }
        if known.name == "ResourceRequirements" && (name.contains('/') || matches!(name, "cpu" | "memory")) {
            return Some("write it under limits or requests".to_owned());
        }
        let near = nearest(name, names());
        // One letter away from a field beside it is a slip, whoever else has a field of that name.
        let is_slip = near.is_some_and(|field| strsim::osa_distance(field, name) <= 1);
        if let Some(place) = self.belongs(known, name).filter(|_| !is_slip) {
            return Some(format!("it belongs to {place}"));
        }
        near.map(|field| format!("did you mean {field}?"))
    }

    /// The path of the nearest struct that has a field of exactly this name: one below, or one of those around.
    fn belongs(&self, known: &'static Struct, name: &str) -> Option<String> {
        let knows =
            |type_: &Type| matches!(type_, Type::Struct(at) if TABLE.structs[*at].field(name).is_some());
        let below = known.fields.iter().find_map(|(field, type_)| {
            let suffix = match type_ {
                Type::List(item) if knows(item) => "[]",
                _ if knows(type_) => "",
                _ => return None,
            };
            let mut path = self.path.clone();
            path.push(PathStep::Field(field));
            Some(render(&path) + suffix)
        });
        below.or_else(|| {
            let around = self.outer.iter().rev().skip(1);
            around.into_iter().find(|(outer, ..)| outer.field(name).is_some()).map(|&(_, _, steps)| {
                match render(&self.path[..steps]) {
                    path if path.is_empty() => "the object itself".to_owned(),
                    path => path,
                }
            })
        })
    }
}
