//! The hashes of what a rollout rolls, as Kthena computes them: a role's name, worker count and templates. They are the
//! labels `revision` and `role-template-hash`, and part of the names of ControllerRevisions.
//!
//! Kthena hashes the text that Go's `spew` prints of its structs (`pkg/model-serving-controller/utils/revision_util.go`,
//! with k8s.io/api v0.34.2), so that text is written here: struct by struct, field by field, with the parsed form of
//! quantities. With equal hashes either controller takes over from the other without touching a pod.
//!
//! The hashes differ from Kthena's in two cases. A template that has fields which v0.34.2 does not know is hashed with
//! them, since a change of them has to roll pods too; Kthena's own CRD drops such fields before anybody reads them. And a
//! Kthena that is built with other versions of these types prints another text, as it does after an upgrade of its own.
//!
//! | file | owns |
//! | --- | --- |
//! | `schema` | the types, read from `types.txt` |
//! | `dump` | the text that is hashed |
//! | `marshal` | the JSON that Go writes into a ControllerRevision |
//! | `quantity` | quantities as Go parses them |
//! | `likeness` | do two lists of roles mean the same, however they are spelled? |

mod dump;
pub(crate) mod likeness;
mod marshal;
mod quantity;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use marshal::revision_data;

use crate::api::model_serving::Role;
use std::fmt::Write;

/// The alphabet of Kubernetes' `SafeEncodeString`: no vowels, no digits that look like letters.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of one role: the value of the label `role-template-hash`. Replica counts and rollout settings do not count.
pub fn role_hash(role: &Role) -> String {
    let mut hash = Fnv::default();
    hash.add("(v1alpha1.Role)");
    dump::role(&mut hash, role);
    hash.encode()
}

/// The hash of a list of roles, in order: the revision of a ModelServing.
pub fn roles_hash(roles: &[Role]) -> String {
    let mut hash = Fnv::default();
    hash.add("([]v1alpha1.Role)[");
    for (index, role) in roles.iter().enumerate() {
        hash.add(if index == 0 { "" } else { " " });
        dump::role(&mut hash, role);
    }
    hash.add("]");
    hash.encode()
}

/// FNV-1, 32 bits: Go's `fnv.New32`.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0x811c_9dc5)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = self.0.wrapping_mul(0x0100_0193) ^ u32::from(byte);
        }
    }

    /// The number in decimal, each digit replaced by a letter of the alphabet.
    fn encode(&self) -> String {
        let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
        self.0.to_string().bytes().map(letter).collect()
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.add(text);
        Ok(())
    }
}
