//! The record: what a gang has been promised, as text for an annotation of its PodGroup.
//!
//! All annotations of an object share 256 KiB, so the text is compact: a name says only where it differs from the name
//! before it, a uid takes 22 characters. 1,024 pods with long names need about 40 KiB. The text is
//!
//! ```text
//! v1;STATE;EPOCH;TIER;DOMAIN;SUFFIX;COUNT;ENTRY;ENTRY...        ENTRY = NAME,UID,NODE
//! ```
//!
//! with `STATE` one of `b` (being bound), `r` (rolling back), `d` (done); `TIER` and `DOMAIN` empty where there is none;
//! `SUFFIX` what all node names end in (`.eu-west-1.compute.internal`), left out of `NODE`; `NAME` and `NODE` two hexadecimal digits (how many characters they share with the entry before) and the rest; `UID`
//! empty (an entry that is only remembered), `=` and the plain text, or the 16 bytes of a UUID in URL-safe base 64.
//! Anything but `A-Z a-z 0-9 . _ -` is written `%XX`.

mod uid;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt::Write;

/// The annotation of the PodGroup that carries the record.
pub const RESERVATION: &str = "phalanx.dev/reservation";

/// What the API server allows for the annotations of one object: the bytes of all keys and values.
/// Source: kubernetes `TotalAnnotationSizeLimitB`.
pub const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Kept free when a gang is accepted, so that the same record with other node names, or other people's annotations,
/// still fit later.
pub const HEADROOM: usize = 8 * 1024;

/// What a gang has been promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What is being done with it.
    pub state: RecordState,
    /// The lease epoch of the leader that wrote it.
    pub epoch: u64,
    /// The innermost HyperNode around the gang; `None` for the whole cluster.
    pub domain: Option<String>,
    /// Its tier.
    pub tier: Option<u32>,
    /// Pods and nodes.
    pub entries: Vec<Entry>,
}

/// Where the reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// Its pods are being bound to their nodes; whoever leads finishes that.
    Binding,
    /// Its bound pods are being evicted; whoever leads finishes that.
    RollingBack,
    /// Nothing is left to do. The entries say where the pods were put, for those that come back.
    Done,
}

/// A pod and its node; the namespace is the PodGroup's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The pod's name.
    pub name: String,
    /// Its uid; `None` where only the name's last node is remembered.
    pub uid: Option<String>,
    /// The node's name.
    pub node: String,
}

/// Why a text is not a record that this version can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another version of Phalanx wrote it.
    #[error("is of version {0}, this is version v1; run the version that wrote it, or remove the annotation")]
    UnknownVersion(String),
    /// Nobody wrote it like that.
    #[error("is malformed in {0}; remove the annotation")]
    Malformed(&'static str),
}

impl Record {
    /// The text.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(32 + 36 * self.entries.len());
        let state = match self.state {
            RecordState::Binding => 'b',
            RecordState::RollingBack => 'r',
            RecordState::Done => 'd',
        };
        let tier = self.tier.map(|tier| tier.to_string()).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, "v1;{state};{};{tier};", self.epoch);
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
            if let Some(uid) = &entry.uid {
                match uid::pack(uid) {
                    Some(packed) => text.push_str(&packed),
                    None => {
                        text.push('=');
                        escape(uid, &mut text);
                    }
                }
            }
            text.push(',');
            push_shared(&entry.node[..entry.node.len() - suffix.len()], &mut node, &mut scratch, &mut text);
        }
        text
    }

    /// The record behind a text.
    pub fn decode(text: &str) -> Result<Record, RecordError> {
        use RecordError::Malformed;
        let mut fields = text.split(';');
        match fields.next().unwrap_or_default() {
            "v1" => {}
            version if is_version(version) => {
                return Err(RecordError::UnknownVersion(version.to_owned()));
            }
            _ => return Err(Malformed("the version")),
        }
        let state = match fields.next() {
            Some("b") => RecordState::Binding,
            Some("r") => RecordState::RollingBack,
            Some("d") => RecordState::Done,
            _ => return Err(Malformed("the state")),
        };
        let epoch = fields.next().and_then(number).ok_or(Malformed("the epoch"))?;
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
        for entry in fields {
            let mut parts = entry.split(',');
            let (Some(name_part), Some(uid_part), Some(node_part), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(Malformed("an entry"));
            };
            let uid = match uid_part.strip_prefix('=') {
                Some(plain) => Some(unescape(plain).ok_or(Malformed("a uid"))?),
                None if uid_part.is_empty() => None,
                None => Some(uid::unpack(uid_part).ok_or(Malformed("a uid"))?),
            };
            entries.push(Entry {
                name: take_shared(name_part, &mut name).ok_or(Malformed("a pod's name"))?,
                uid,
                node: take_shared(node_part, &mut node).ok_or(Malformed("a node's name"))? + &suffix,
            });
        }
        if entries.len() as u64 != count {
            return Err(Malformed("the number of entries"));
        }
        Ok(Record { state, epoch, domain: (!domain.is_empty()).then_some(domain), tier, entries })
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

/// How many bytes a record may take beside other annotations of so many bytes (keys and values).
pub fn room_beside(other_bytes: usize) -> usize {
    ANNOTATIONS_LIMIT.saturating_sub(HEADROOM + RESERVATION.len() + other_bytes)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|digits| {
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// A number in plain digits; no sign, no more than fits.
fn number(text: &str) -> Option<u64> {
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gang(count: u32) -> Record {
        let entries = (0..count)
            .map(|i| Entry {
                name: format!("llama-multinode-0-decode-{}-{}", i / 8, i % 8),
                uid: Some(format!("9f86d081-884c-4d65-9a2f-{i:012x}")),
                node: format!("gpu-node-{:05}.cluster.example", i * 7 % 10_240),
            })
            .collect();
        Record {
            state: RecordState::Binding,
            epoch: 7,
            domain: Some("rack-7".into()),
            tier: Some(1),
            entries,
        }
    }

    #[test]
    fn the_text_is_what_the_page_says() {
        let mut record = gang(3);
        record.entries[1].uid = None;
        record.entries[2].node = "GPU 9.cluster.example".into();
        record.entries[2].uid = Some("u;1".into());
        let expect = "v1;b;7;1;rack-7;.cluster.example;3;00llama-multinode-0-decode-0-0,n4bQgYhMTWWaLwAAAAAAAA,\
                      00gpu-node-00000;1b1,,0d7;1b2,=u%3B1,00GPU%209";
        assert_eq!(record.encode(), expect);
        assert_eq!(Record::decode(expect), Ok(record));
    }

    #[test]
    fn a_thousand_pods_fit_many_times_over() {
        let text = gang(1024).encode();
        assert!(text.len() < 40 * 1024, "{} bytes", text.len());
        assert!(text.len() < room_beside(0) / 6);
    }

    #[test]
    fn what_is_not_a_record_is_said_to_be_none() {
        let check = |text: &str, expect: RecordError| assert_eq!(Record::decode(text), Err(expect), "{text}");
        check("v2;b;whatever", RecordError::UnknownVersion("v2".into()));
        check("v10", RecordError::UnknownVersion("v10".into()));
        check("", RecordError::Malformed("the version"));
        check("v;b;1", RecordError::Malformed("the version"));
        check("v1", RecordError::Malformed("the state"));
        check("v1;b;-1;;;;0", RecordError::Malformed("the epoch"));
        check("v1;b;99999999999999999999;;;;0", RecordError::Malformed("the epoch"));
        check("v1;b;1;5000000000;;;0", RecordError::Malformed("the tier"));
        check("v1;b;1;;%4;;0", RecordError::Malformed("the domain"));
        check("v1;b;1;;;;1", RecordError::Malformed("the number of entries"));
        check("v1;b;1;;;;0;00a,,00b", RecordError::Malformed("the number of entries"));
        check("v1;b;1;;;;1;00a,,00b,", RecordError::Malformed("an entry"));
        check("v1;b;1;;;;1;01a,,00b", RecordError::Malformed("a pod's name"));
        check("v1;b;1;;;;1;00a,short,00b", RecordError::Malformed("a uid"));
        check("v1;b;1;;;;1;00a,,00%C3%28", RecordError::Malformed("a node's name"));
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-z][a-z0-9.-]{0,12}",
            2 => "(llama|mistral)-[0-9]-(prefill|decode)-[0-9]{1,2}-[0-9]",
            1 => any::<String>(),
            1 => "[ab%,;]{0,300}",
        ]
    }

    fn uid() -> impl Strategy<Value = Option<String>> {
        prop_oneof![
            1 => Just(None),
            4 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Some),
            1 => any::<String>().prop_map(Some),
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        let state =
            prop_oneof![Just(RecordState::Binding), Just(RecordState::RollingBack), Just(RecordState::Done)];
        let entry = (name(), uid(), name()).prop_map(|(name, uid, node)| Entry { name, uid, node });
        let domain = proptest::option::of("[a-z;% ][a-z0-9.-]{0,20}");
        let entries = proptest::collection::vec(entry, 0..20);
        (state, any::<u64>(), domain, any::<Option<u32>>(), entries)
            .prop_map(|(state, epoch, domain, tier, entries)| Record { state, epoch, domain, tier, entries })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in record()) {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn garbage_is_refused_or_read_but_never_fatal(text in any::<String>()) {
            let _ = Record::decode(&text);
            let _ = Record::decode(&format!("v1;b;1;;;;{text}"));
        }

        #[test]
        fn a_damaged_record_never_panics_and_stays_stable(
            record in record(), at in any::<prop::sample::Index>(), with in any::<char>(), cut in any::<bool>(),
        ) {
            let mut chars: Vec<char> = record.encode().chars().collect();
            let at = at.index(chars.len());
            if cut { chars.truncate(at) } else { chars[at] = with }
            let text: String = chars.into_iter().collect();
            if let Ok(read) = Record::decode(&text) {
                prop_assert_eq!(Record::decode(&read.encode()), Ok(read));
            }
        }
    }
}
