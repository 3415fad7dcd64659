//! Texts and their ids: each text is kept once, and everything that compares texts compares ids instead.
//!
//! An interner belongs to the structure that holds it; ids of different interners have nothing to do with each other.

use super::ids::TextId;
use hashbrown::HashTable;
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// All texts seen, in order of appearance.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    texts: IndexSet<Box<str>, FxBuildHasher>,
}

impl Texts {
    /// The id of a text, new or known.
    pub fn intern(&mut self, text: &str) -> TextId {
        match self.texts.get_index_of(text) {
            Some(index) => TextId(index as u32),
            None => TextId(self.texts.insert_full(text.into()).0 as u32),
        }
    }

    /// The id of a text that was seen before.
    pub fn find(&self, text: &str) -> Option<TextId> {
        self.texts.get_index_of(text).map(|index| TextId(index as u32))
    }

    /// The text behind an id.
    pub fn get(&self, id: TextId) -> &str {
        self.texts.get_index(id.index()).expect("ids come from intern")
    }

    /// Texts seen.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Is there none yet?
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// Texts that come and go: each is kept once, for as long as somebody holds it. An id that nobody holds any more is given
/// to the next new text.
#[derive(Debug, Default)]
pub struct CountedTexts {
    slots: Vec<Slot>,
    vacant: Vec<TextId>,
    table: HashTable<TextId>,
}

#[derive(Debug)]
struct Slot {
    text: Box<str>,
    holders: u32,
}

impl CountedTexts {
    /// The id of a text, new or known; it is held until [`CountedTexts::release`].
    pub fn hold(&mut self, text: &str) -> TextId {
        if let Some(id) = self.find(text) {
            self.slots[id.index()].holders += 1;
            return id;
        }
        let slot = Slot { text: text.into(), holders: 1 };
        let id = match self.vacant.pop() {
            Some(id) => {
                self.slots[id.index()] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                TextId(self.slots.len() as u32 - 1)
            }
        };
        let slots = &self.slots;
        self.table.insert_unique(hash(text), id, |id| hash(&slots[id.index()].text));
        id
    }

    /// Gives a text back.
    pub fn release(&mut self, id: TextId) {
        let slot = &mut self.slots[id.index()];
        debug_assert!(slot.holders > 0, "whoever gives back has held");
        slot.holders = slot.holders.saturating_sub(1);
        if slot.holders == 0 {
            let text = std::mem::take(&mut slot.text);
            if let Ok(entry) = self.table.find_entry(hash(&text), |&known| known == id) {
                entry.remove();
            }
            self.vacant.push(id);
        }
    }

    /// The id of a text that somebody holds.
    pub fn find(&self, text: &str) -> Option<TextId> {
        self.table.find(hash(text), |id| *self.slots[id.index()].text == *text).copied()
    }

    /// The text behind an id that is held.
    pub fn get(&self, id: TextId) -> &str {
        &self.slots[id.index()].text
    }

    /// Texts that are held.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Is none held?
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

fn hash(text: &str) -> u64 {
    FxBuildHasher.hash_one(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_nobody_holds_makes_room_for_the_next() {
        let mut texts = CountedTexts::default();
        let (a, b) = (texts.hold("a"), texts.hold("b"));
        assert_eq!(texts.hold("a"), a);
        texts.release(a);
        assert_eq!((texts.find("a"), texts.get(a), texts.len()), (Some(a), "a", 2));
        texts.release(a);
        assert_eq!((texts.find("a"), texts.find("b"), texts.len()), (None, Some(b), 1));
        assert_eq!(texts.hold("c"), a, "its id is given again");
        for round in 0..1_000 {
            let id = texts.hold(&format!("text {round}"));
            texts.release(id);
        }
        assert_eq!((texts.len(), texts.slots.len()), (2, 3));
    }

    #[test]
    fn a_text_has_one_id_and_comes_back_as_it_was() {
        let mut texts = Texts::default();
        let (gpu, zone) = (texts.intern("nvidia.com/gpu"), texts.intern("zone"));
        assert_ne!(gpu, zone);
        assert_eq!(texts.intern("nvidia.com/gpu"), gpu);
        assert_eq!((texts.get(gpu), texts.get(zone)), ("nvidia.com/gpu", "zone"));
        assert_eq!((texts.find("zone"), texts.find("rack")), (Some(zone), None));
        assert_eq!(texts.len(), 2);
    }
}
