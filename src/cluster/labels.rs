//! Label sets, interned: the pods of one template share one set, and sets that differ in a value share the rest. A set
//! lives for as long as a pod or a node has it, so that what comes and goes leaves nothing behind.

use super::ids::TextId;
use super::slab::Interner;
use super::text::CountedTexts;
use std::collections::BTreeMap;

/// Labels as objects have them.
pub type Labels = BTreeMap<String, String>;

/// An interned label set. 0 is the empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSetId(pub u32);

/// All label sets that somebody has.
#[derive(Debug, Default)]
pub struct LabelSets {
    texts: CountedTexts,
    /// Key and value, in the order of the keys' texts. The empty set is [`LabelSetId`] 0 and not in here.
    sets: Interner<Box<[(TextId, TextId)]>>,
    /// By place.
    holders: Vec<u32>,
    /// Scratch for the set that is looked up.
    pairs: Vec<(TextId, TextId)>,
}

impl LabelSets {
    /// The id of a set, new or known; it is held until [`LabelSets::release`].
    pub fn intern(&mut self, labels: &Labels) -> LabelSetId {
        if labels.is_empty() {
            return LabelSetId(0);
        }
        if let Some(id) = self.find(labels) {
            self.holders[place(id) as usize] += 1;
            return id;
        }
        let texts = &mut self.texts;
        let pairs = labels.iter().map(|(key, value)| (texts.hold(key), texts.hold(value))).collect();
        let place = self.sets.insert(pairs);
        if self.holders.len() <= place as usize {
            self.holders.resize(place as usize + 1, 0);
        }
        self.holders[place as usize] = 1;
        LabelSetId(place + 1)
    }

    /// Gives a set back.
    pub fn release(&mut self, id: LabelSetId) {
        if id == LabelSetId(0) {
            return;
        }
        let holders = &mut self.holders[place(id) as usize];
        debug_assert!(*holders > 0, "whoever gives back has held");
        *holders = holders.saturating_sub(1);
        if *holders > 0 {
            return;
        }
        for (key, value) in self.sets.remove(place(id)).into_iter().flatten() {
            self.texts.release(key);
            self.texts.release(value);
        }
    }

    /// The set behind an id.
    pub fn get(&self, id: LabelSetId) -> LabelSet<'_> {
        let pairs = match id {
            LabelSetId(0) => &[][..],
            id => &self.sets[place(id)],
        };
        LabelSet(Inner::Interned(pairs, &self.texts))
    }

    /// Are these the labels of the set? Costs no more than comparing their texts.
    pub fn is(&self, id: LabelSetId, labels: &Labels) -> bool {
        let set = self.get(id);
        set.len() == labels.len()
            && set.iter().zip(labels).all(|(known, (key, value))| known == (key.as_str(), value.as_str()))
    }

    /// Sets that somebody has, without the empty one.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Has nobody any label?
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Texts that the sets are made of.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    fn find(&mut self, labels: &Labels) -> Option<LabelSetId> {
        self.pairs.clear();
        for (key, value) in labels {
            self.pairs.push((self.texts.find(key)?, self.texts.find(value)?));
        }
        self.sets.find(&*self.pairs).map(|place| LabelSetId(place + 1))
    }
}

/// Labels to read: an object's own, or an interned set.
#[derive(Clone, Copy, Debug)]
pub struct LabelSet<'a>(Inner<'a>);

#[derive(Clone, Copy, Debug)]
enum Inner<'a> {
    Own(&'a Labels),
    Interned(&'a [(TextId, TextId)], &'a CountedTexts),
}

impl<'a> LabelSet<'a> {
    /// The value of a label.
    pub fn get(self, key: &str) -> Option<&'a str> {
        match self.0 {
            Inner::Own(labels) => labels.get(key).map(String::as_str),
            Inner::Interned(pairs, texts) => {
                pairs.iter().find(|pair| texts.get(pair.0) == key).map(|pair| texts.get(pair.1))
            }
        }
    }

    /// Keys and values, by key.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (own, interned) = match self.0 {
            Inner::Own(labels) => (Some(labels), None),
            Inner::Interned(pairs, texts) => (None, Some((pairs, texts))),
        };
        let own = own.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let interned = interned.into_iter().flat_map(|(pairs, texts)| {
            pairs.iter().map(move |&(key, value)| (texts.get(key), texts.get(value)))
        });
        own.chain(interned)
    }

    /// Labels in the set.
    pub fn len(self) -> usize {
        match self.0 {
            Inner::Own(labels) => labels.len(),
            Inner::Interned(pairs, _) => pairs.len(),
        }
    }

    /// Has it none?
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a Labels> for LabelSet<'a> {
    fn from(labels: &'a Labels) -> Self {
        LabelSet(Inner::Own(labels))
    }
}

/// The place of a set that is not empty.
fn place(id: LabelSetId) -> u32 {
    id.0 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn equal_sets_share_an_id_and_read_back() {
        let mut sets = LabelSets::default();
        let (web, other) = (sets.intern(&labels("app=web,tier=1")), sets.intern(&labels("app=web,tier=2")));
        assert_ne!(web, other);
        assert_eq!(sets.intern(&labels("tier=1,app=web")), web);
        assert_eq!(sets.intern(&Labels::new()), LabelSetId(0));
        assert_eq!(sets.get(web).iter().collect::<Vec<_>>(), [("app", "web"), ("tier", "1")]);
        assert_eq!((sets.get(web).get("tier"), sets.get(web).get("zone")), (Some("1"), None));
        assert!(sets.is(web, &labels("app=web,tier=1")) && !sets.is(web, &labels("app=web,tier=2")));
        assert!(!sets.is(web, &labels("app=web")) && !sets.is(LabelSetId(0), &labels("app=web")));
        let own = labels("a=1");
        assert_eq!(LabelSet::from(&own).iter().collect::<Vec<_>>(), [("a", "1")]);
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten() {
        let mut sets = LabelSets::default();
        let kept = sets.intern(&labels("app=web,tier=1"));
        sets.intern(&labels("app=web,tier=1"));
        for round in 0..1_000 {
            let id = sets.intern(&labels(&format!("app=web,pod=p{round}")));
            assert!(sets.is(id, &labels(&format!("app=web,pod=p{round}"))));
            sets.release(id);
        }
        assert_eq!((sets.len(), sets.sets.places(), sets.texts()), (1, 2, 4));
        sets.release(kept);
        assert_eq!(sets.len(), 1, "one of two has it still");
        sets.release(kept);
        assert_eq!((sets.len(), sets.texts()), (0, 0));
    }
}
