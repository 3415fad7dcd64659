//! Texts and their ids: each text is kept once, and everything that compares texts compares ids instead.
//!
//! An interner belongs to the structure that holds it; ids of different interners have nothing to do with each other.

use super::ids::TextId;
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

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

#[cfg(test)]
mod tests {
    use super::*;

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
