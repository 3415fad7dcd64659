//! The record: what a gang has been promised, as the text of an entry of the journal ([`super::journal`]).
//!
//! An object of the journal holds the records of thousands of pods, so the text is compact: a name says only where it
//! differs from the name before it, a uid takes 22 characters. 1,024 pods with long names need about 40 KiB. The text is
//!
//! ```text
//! gang1;STATE;NAMESPACE;NAME;TIER;DOMAIN;SUFFIX;COUNT;ENTRY;ENTRY...        ENTRY = NAME,UID,NODE
//! ```
//!
//! with `STATE` one of `b` (being bound), `r` (rolling back), `c` (others leave for it); `NAMESPACE` and `NAME` of the PodGroup; `TIER` and `DOMAIN`
//! empty where there is none; `SUFFIX` what all node names end in (`.eu-west-1.compute.internal`), left out of `NODE`;
//! `COUNT` the number of entries; `NAME` and `NODE` two hexadecimal digits (how many characters they share with the entry
//! before) and the rest; `UID` the 16 bytes of a UUID in URL-safe base 64, or `=` and the plain text. Anything but
//! `A-Z a-z 0-9 . _ -` is written `%XX`.
//!
//! # What comes
//!
//! A promise may need more than pods and nodes: who has to leave first, with uids and a deadline; room that is held; claims
//! of devices. There is room for that in three places, and what a version does not know of them it keeps, names and never
//! acts on ([`RecordError::is_of_newer`]): the entry is of a newer version.
//!
//! - *A state more* is another small letter: a variant of [`RecordState`], in `ALL` and `letter`.
//! - *A part more* stands after the entries: `;LETTER:FIELD,FIELD,...`, a small letter, each at most once, in the order of
//!   letters, and left out where it says nothing, so that a record without it has the text that it has today. It is a
//!   field of [`Record`], written at the end of [`Record::encode`] with the escaping of the other fields, and read where
//!   [`Record::decode`] comes to the letter. That decoding ends in comparing the text with what the record is written as
//!   makes a second spelling impossible: a new part needs no check of its own.
//! - *A kind more* is an entry that is no gang's: a word and a number, as `hold1`, in front. Its fields are its own.
//!
//! A part that changes what the others mean needs another kind (`gang2`), since an older version would be right to
//! refuse the part and wrong about the rest.
//!
//! Parts of this version: `v`, pods that are to leave for a gang in state `c`. Its fields come in fours: `r` (reclaim), `p` (preempt) or `m`
//! (move), namespace, name and uid.

mod uid;
mod victims;

use super::GangKey;
use crate::scheduler::decision::EvictionKind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;

/// The most bytes that the record of one gang may take: about 10,000 pods. Two of them fit into one object of the journal.
pub const LIMIT: usize = 400 * 1024;

/// What a gang has been promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The gang; a PodGroup.
    pub gang: GangKey,
    /// What is being done with it.
    pub state: RecordState,
    /// The innermost HyperNode around the gang; `None` for the whole cluster.
    pub domain: Option<String>,
    /// Its tier.
    pub tier: Option<u32>,
    /// Pods and nodes.
    pub entries: Vec<Entry>,
    /// Pods that are to leave for the gang.
    pub victims: Vec<Victim>,
}

/// A pod that is to leave for a gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// On what ground.
    pub kind: EvictionKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// Where the reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Its pods are being bound to their nodes; whoever leads finishes that.
    Binding,
    /// Its bound pods are being evicted; whoever leads finishes that.
    RollingBack,
    /// Others are to leave so that it gets their room; whoever leads goes on with that.
    Clearing,
}

/// A pod and its node; the namespace is the PodGroup's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The pod's name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The node's name.
    pub node: String,
}

/// Why a text is not a record that this version can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A newer version of Phalanx wrote it.
    #[error("is of the kind {0}, which this version does not know")]
    UnknownKind(String),
    /// A newer version of Phalanx wrote it: it is in a state of this letter.
    #[error("is in a state {0}, which this version does not know")]
    UnknownState(char),
    /// A newer version of Phalanx wrote it: it has a part of this letter.
    #[error("has a part {0}, which this version does not know")]
    UnknownPart(char),
    /// Nobody wrote it like that.
    #[error("is malformed in {0}")]
    Malformed(&'static str),
}

impl RecordError {
    /// Did a newer version write it?
    pub fn is_of_newer(&self) -> bool {
        !matches!(self, RecordError::Malformed(_))
    }
}

impl RecordState {
    const ALL: [RecordState; 3] = [RecordState::Binding, RecordState::RollingBack, RecordState::Clearing];

    fn letter(self) -> char {
        match self {
            RecordState::Binding => 'b',
            RecordState::RollingBack => 'r',
            RecordState::Clearing => 'c',
        }
    }

    fn decode(text: &str) -> Result<RecordState, RecordError> {
        let mut letters = text.chars();
        let (Some(letter @ 'a'..='z'), None) = (letters.next(), letters.next()) else {
            return Err(RecordError::Malformed("the state"));
        };
        let found = RecordState::ALL.into_iter().find(|state| state.letter() == letter);
        found.ok_or(RecordError::UnknownState(letter))
    }
}

impl Record {
    /// The text.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(32 + 36 * self.entries.len());
        let state = self.state.letter();
        let tier = self.tier.map(|tier| tier.to_string()).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, "gang1;{state};");
        escape(&self.gang.namespace, &mut text);
        text.push(';');
        escape(&self.gang.name, &mut text);
        let _ = write!(text, ";{tier};");
        escape(self.domain.as_deref().unwrap_or_default(), &mut text);
        text.push(';');
        let suffix = self.node_suffix();
        escape(suffix, &mut text);
        let _ = write!(text, ";{}", self.entries.len());
        let (mut name, mut node) = (String::new(), String::new());
        let mut scratch = String::new();
        for entry in &self.entries {
            text.push(';');
            push_shared(&entry.name, &mut name, &mut scratch, &mut text);
            text.push(',');
            push_uid(&entry.uid, &mut text);
            text.push(',');
            push_shared(&entry.node[..entry.node.len() - suffix.len()], &mut node, &mut scratch, &mut text);
        }
        victims::encode(&self.victims, &mut text);
        text
    }

    /// The record behind a text.
    pub fn decode(text: &str) -> Result<Record, RecordError> {
        use RecordError::Malformed;
        let mut fields = text.split(';');
        match fields.next().unwrap_or_default() {
            "gang1" => {}
            kind if is_kind(kind) => return Err(RecordError::UnknownKind(kind.to_owned())),
            _ => return Err(Malformed("the kind")),
        }
        let state = RecordState::decode(fields.next().unwrap_or_default())?;
        let mut named = || fields.next().and_then(unescape).filter(|name| !name.is_empty());
        let namespace = named().ok_or(Malformed("the namespace"))?;
        let name = named().ok_or(Malformed("the name"))?;
        let gang = GangKey { is_pod_group: true, namespace, name };
        let tier = match fields.next() {
            Some("") => None,
            Some(tier) => {
                Some(number(tier).and_then(|tier| tier.try_into().ok()).ok_or(Malformed("the tier"))?)
            }
            None => return Err(Malformed("the tier")),
        };
        let domain = fields.next().and_then(unescape).ok_or(Malformed("the domain"))?;
        let suffix = fields.next().and_then(unescape).ok_or(Malformed("the suffix"))?;
        let count = fields.next().and_then(number).ok_or(Malformed("the count"))?;
        let mut entries = Vec::new();
        let (mut name, mut node) = (String::new(), String::new());
        for _ in 0..count {
            let entry = fields.next().ok_or(Malformed("the number of entries"))?;
            let mut parts = entry.split(',');
            let (Some(name_part), Some(uid_part), Some(node_part), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(Malformed("an entry"));
            };
            let uid = take_uid(uid_part).ok_or(Malformed("a uid"))?;
            entries.push(Entry {
                name: take_shared(name_part, &mut name).ok_or(Malformed("a pod's name"))?,
                uid,
                node: take_shared(node_part, &mut node).ok_or(Malformed("a node's name"))? + &suffix,
            });
        }
        let mut victims = Vec::new();
        let mut part = fields.next();
        if let Some(text) = part.and_then(|part| part.strip_prefix("v:")) {
            victims = victims::decode(text).ok_or(Malformed("those who leave"))?;
            part = fields.next();
        }
        if let Some(part) = part {
            let mut part = part.chars();
            return match (part.next(), part.next()) {
                (Some(letter @ 'a'..='z'), Some(':')) => Err(RecordError::UnknownPart(letter)),
                _ => Err(Malformed("the number of entries")),
            };
        }
        let record =
            Record { gang, state, domain: (!domain.is_empty()).then_some(domain), tier, entries, victims };
        // Whatever could be read and would not be written so is nobody's work but a mistake's.
        if record.encode() == text { Ok(record) } else { Err(Malformed("its spelling")) }
    }

    /// What all node names end in.
    fn node_suffix(&self) -> &str {
        let mut nodes = self.entries.iter().map(|entry| entry.node.as_str());
        let Some(first) = nodes.next().filter(|_| self.entries.len() > 1) else { return "" };
        nodes.fold(first, |suffix, node| {
            let same = suffix.chars().rev().zip(node.chars().rev()).take_while(|(a, b)| a == b);
            &suffix[suffix.len() - same.map(|(a, _)| a.len_utf8()).sum::<usize>()..]
        })
    }
}

/// A word and a number, as the kinds of entries are called.
fn is_kind(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_lowercase).count();
    let digits = text.bytes().skip(letters);
    (1..=16).contains(&letters)
        && (1..=4).contains(&(text.len() - letters))
        && digits.clone().all(|byte| byte.is_ascii_digit())
}

/// A number in plain digits; no sign, no more than fits.
fn number(text: &str) -> Option<u64> {
    (text.len() < 2 || !text.starts_with('0')).then_some(())?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What stands in a record as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

fn escape(plain: &str, text: &mut String) {
    text.extend(utf8_percent_encode(plain, PLAIN));
}

/// The reverse; `None` for what [`escape`] does not write.
fn unescape(text: &str) -> Option<String> {
    let plain = percent_decode_str(text).decode_utf8().ok()?;
    utf8_percent_encode(&plain, PLAIN).flat_map(str::bytes).eq(text.bytes()).then(|| plain.into_owned())
}

/// Writes a uid in 22 characters, or as it is behind a `=`.
fn push_uid(uid: &str, text: &mut String) {
    match uid::pack(uid) {
        Some(packed) => text.push_str(&packed),
        None => {
            text.push('=');
            escape(uid, text);
        }
    }
}

/// The reverse of [`push_uid`].
fn take_uid(text: &str) -> Option<String> {
    match text.strip_prefix('=') {
        // What fits into 22 characters is written so.
        Some(plain) => unescape(plain).filter(|plain| uid::pack(plain).is_none()),
        None => uid::unpack(text),
    }
}

/// Writes `plain` as what it does not share with `before`, and leaves it there in its escaped form.
fn push_shared(plain: &str, before: &mut String, scratch: &mut String, text: &mut String) {
    scratch.clear();
    escape(plain, scratch);
    let shared = before.bytes().zip(scratch.bytes()).take(255).take_while(|(a, b)| a == b).count();
    let _ = write!(text, "{shared:02x}{}", &scratch[shared..]);
    std::mem::swap(before, scratch);
}

/// The reverse of [`push_shared`]. Only ASCII is ever shared, so that no character can be cut.
fn take_shared(part: &str, before: &mut String) -> Option<String> {
    if !part.is_ascii() || part.len() < 2 {
        return None;
    }
    let digits = Some(&part[..2]).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    let shared = usize::from_str_radix(digits, 16).ok()?;
    if shared > before.len() {
        return None;
    }
    before.truncate(shared);
    before.push_str(&part[2..]);
    unescape(before)
}

#[cfg(test)]
mod tests;
