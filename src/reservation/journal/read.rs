//! An object of the journal as it stands there: its head, its entries, and what cannot be read of it.

use crate::reservation::record::{Record, RecordError};
use std::collections::BTreeMap;

/// Who may write an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The epoch of the leader.
    pub epoch: u64,
    /// The number of its last write.
    pub number: u64,
    /// Who it is.
    pub holder: String,
}

/// The key of an object's head.
pub const HEAD: &str = "journal";

impl Head {
    /// The text.
    pub fn encode(&self) -> String {
        format!("v1;{};{};{}", self.epoch, self.number, self.holder)
    }

    /// The head behind a text; what is wrong with it otherwise.
    pub fn decode(text: &str) -> Result<Head, &'static str> {
        let mut fields = text.splitn(4, ';');
        match fields.next() {
            Some("v1") => {}
            Some(text) if text.starts_with('v') => return Err("is of another version"),
            _ => return Err("is malformed"),
        }
        // No count of changes of leaders comes near this; one more must always be possible.
        let mut number = || fields.next()?.parse::<u64>().ok().filter(|number| *number < u64::MAX / 2);
        let (Some(epoch), Some(number)) = (number(), number()) else { return Err("is malformed") };
        let holder = fields.next().ok_or("is malformed")?.to_owned();
        let head = Head { epoch, number, holder };
        // Nobody has written `+1` or `01`.
        if head.encode() == text { Ok(head) } else { Err("is malformed") }
    }
}

/// An object or an entry that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The object's name.
    pub object: String,
    /// The key of the entry; `None` for the whole object.
    pub key: Option<String>,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// An object's entries and what cannot be read of it, for a reader that changes nothing.
pub fn read(object: &str, data: &BTreeMap<String, String>) -> (Vec<(String, Record)>, Vec<Quarantined>) {
    match head(data) {
        Ok(_) => entries(object, data),
        Err(problem) => (Vec::new(), vec![unusable(object, problem)]),
    }
}

/// The head of an object; what is wrong with it otherwise.
pub(super) fn head(data: &BTreeMap<String, String>) -> Result<Head, &'static str> {
    data.get(HEAD).map_or(Err("is missing"), |head| Head::decode(head))
}

/// The entries of an object whose head is known.
pub(super) fn entries(
    object: &str,
    data: &BTreeMap<String, String>,
) -> (Vec<(String, Record)>, Vec<Quarantined>) {
    let (mut records, mut quarantined) = (Vec::new(), Vec::new());
    for (key, text) in data.iter().filter(|(key, _)| *key != HEAD) {
        match Record::decode(text) {
            Ok(record) => records.push((key.clone(), record)),
            Err(error) => quarantined.push(unreadable(object, key, &error)),
        }
    }
    (records, quarantined)
}

pub(super) fn unusable(object: &str, problem: &str) -> Quarantined {
    let message = format!(
        "its line `{HEAD}` {problem}: the object is left alone; delete it, or run the version of Phalanx that wrote it"
    );
    Quarantined { object: object.to_owned(), key: None, message }
}

fn unreadable(object: &str, key: &str, error: &RecordError) -> Quarantined {
    let remedy = if error.is_of_newer() {
        "it is kept and not acted on; run the version of Phalanx that wrote it, or remove the key from the data"
    } else {
        "it is left alone; remove the key from the data"
    };
    Quarantined {
        object: object.to_owned(),
        key: Some(key.to_owned()),
        message: format!("entry {key} {error}: {remedy}"),
    }
}
