//! Texts and their ids: each text is kept once, and everything that compares texts compares ids instead.
//!
//! An interner belongs to the structure that holds it; ids of different interners have nothing to do with each other.

use super::ids::TextId;
use super::slab::Interner;

/// Texts that are kept until the owner says which of them are needed still.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    texts: Interner<Box<str>>,
}

impl Texts {
    /// The id of a text, new or known.
    pub fn intern(&mut self, text: &str) -> TextId {
        self.find(text).unwrap_or_else(|| TextId(self.texts.insert(text.into())))
    }

    /// The id of a text that was seen before.
    pub fn find(&self, text: &str) -> Option<TextId> {
        self.texts.find(text).map(TextId)
    }

    /// The text behind an id; the empty one if it was given back.
    pub fn get(&self, id: TextId) -> &str {
        self.texts.get(id.0).map_or("", |text| text)
    }

    /// Forgets the texts that are not needed any more.
    pub fn retain(&mut self, mut is_needed: impl FnMut(TextId) -> bool) {
        self.texts.retain(|place| is_needed(TextId(place)));
    }

    /// Texts known.
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
    texts: Interner<Box<str>>,
    /// By place.
    holders: Vec<u32>,
}

impl CountedTexts {
    /// The id of a text, new or known; it is held until [`CountedTexts::release`].
    pub fn hold(&mut self, text: &str) -> TextId {
        let id = self.find(text).unwrap_or_else(|| TextId(self.texts.insert(text.into())));
        if self.holders.len() <= id.index() {
            self.holders.resize(id.index() + 1, 0);
        }
        self.holders[id.index()] += 1;
        id
    }

    /// Gives a text back.
    pub fn release(&mut self, id: TextId) {
        let holders = &mut self.holders[id.index()];
        debug_assert!(*holders > 0, "whoever gives back has held");
        *holders = holders.saturating_sub(1);
        if *holders == 0 {
            self.texts.remove(id.0);
        }
    }

    /// The id of a text that somebody holds.
    pub fn find(&self, text: &str) -> Option<TextId> {
        self.texts.find(text).map(TextId)
    }

    /// The text behind an id that is held.
    pub fn get(&self, id: TextId) -> &str {
        &self.texts[id.0]
    }

    /// Texts that are held.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Is none held?
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
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
        assert_eq!((texts.len(), texts.texts.places()), (2, 3));
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
