//! What objects ask for and do not get, as a list: the same texts as WARNINGS of the simulator and the events on the objects.

use super::super::found::Found;
use crate::api::unsupported::Notice;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Lines that are printed; JSON has all.
const SHOWN: usize = 12;

/// Each text, with the objects that it is about.
pub(in crate::cli) struct Warnings(BTreeMap<Notice, Vec<String>>);

impl Warnings {
    /// About these objects, by kind and name; about all without a choice.
    pub(in crate::cli) fn about(
        found: &Found,
        concerned: Option<&BTreeSet<(&'static str, String)>>,
    ) -> Warnings {
        let mut warnings: BTreeMap<Notice, Vec<String>> = BTreeMap::new();
        for it in &found.notices {
            if concerned.is_none_or(|concerned| concerned.contains(&(it.kind, it.name.clone()))) {
                warnings.entry(it.notice.clone()).or_default().push(format!("{} {}", it.kind, it.name));
            }
        }
        Warnings(warnings)
    }

    pub(in crate::cli) fn print(&self, text: &mut String) {
        if self.0.is_empty() {
            return;
        }
        text.push_str("\nAsked for and not done:\n");
        for (notice, objects) in self.0.iter().take(SHOWN) {
            let more = match objects.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            let _ = writeln!(text, "- {}{more}: {}", objects[0], notice.message);
        }
        if self.0.len() > SHOWN {
            let _ = writeln!(text, "- and {} more; -o json has all", self.0.len() - SHOWN);
        }
    }

    pub(in crate::cli) fn json(&self) -> Value {
        let row = |(notice, objects): (&Notice, &Vec<String>)| json!({ "code": notice.code, "message": notice.message, "objects": objects });
        self.0.iter().map(row).collect()
    }
}
