//! The part `v` of a record: pods that are to leave for the gang.

use super::{Victim, escape, push_uid, take_uid, unescape};
use crate::scheduler::decision::EvictionKind;

const KINDS: [(&str, EvictionKind); 3] =
    [("r", EvictionKind::Reclaim), ("p", EvictionKind::Preempt), ("m", EvictionKind::Move)];

/// Writes the part; nothing where nobody leaves.
pub(super) fn encode(victims: &[Victim], text: &mut String) {
    for (at, victim) in victims.iter().enumerate() {
        text.push_str(if at == 0 { ";v:" } else { "," });
        let letter = KINDS.iter().find(|(_, kind)| *kind == victim.kind).map_or("r", |(letter, _)| letter);
        text.push_str(letter);
        for field in [&victim.namespace, &victim.name] {
            text.push(',');
            escape(field, text);
        }
        text.push(',');
        push_uid(&victim.uid, text);
    }
}

/// The reverse, without the `v:`.
pub(super) fn decode(text: &str) -> Option<Vec<Victim>> {
    let fields: Vec<&str> = text.split(',').collect();
    let (chunks, []) = fields.as_chunks::<4>() else { return None };
    let victim = |&[letter, namespace, name, uid]: &[&str; 4]| {
        let (_, kind) = KINDS.iter().find(|(known, _)| *known == letter)?;
        let (namespace, name) = (unescape(namespace)?, unescape(name)?);
        Some(Victim { kind: *kind, namespace, name, uid: take_uid(uid)? })
    };
    chunks.iter().map(victim).collect()
}
