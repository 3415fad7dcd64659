//! Values in numbered places: a place that was given back goes to the next value, so that what comes and goes does not
//! grow. [`Slab`] numbers values; [`Interner`] gives equal values one number, until somebody says which are still needed.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::ops::Index;

/// Values by place.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value somewhere; returns where.
    pub fn insert(&mut self, value: T) -> u32 {
        match self.vacant.pop() {
            Some(place) => {
                self.places[place as usize] = Some(value);
                place
            }
            None => {
                self.places.push(Some(value));
                self.places.len() as u32 - 1
            }
        }
    }

    /// Takes a value out; its place is given again.
    pub fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.places.get_mut(place as usize)?.take()?;
        self.vacant.push(place);
        Some(value)
    }

    /// The value at a place.
    pub fn get(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.as_ref()
    }

    /// The value at a place, to change.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// Values with their places, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.places).filter_map(|(place, value)| Some((place, value.as_ref()?)))
    }

    /// Values by place, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }

    /// Values.
    pub fn len(&self) -> usize {
        self.places.len() - self.vacant.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Places, vacant ones included.
    pub fn places(&self) -> usize {
        self.places.len()
    }
}

/// Values that are told apart by what they are: equal ones share a place.
#[derive(Clone, Debug)]
pub struct Interner<T> {
    values: Slab<T>,
    table: HashTable<u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Interner { values: Slab::default(), table: HashTable::new() }
    }
}

impl<T: Hash + Eq> Interner<T> {
    /// The place of a value, and whether it is new.
    pub fn intern(&mut self, value: T) -> (u32, bool) {
        match self.find(&value) {
            Some(place) => (place, false),
            None => (self.insert(value), true),
        }
    }

    /// The place of a value that is known not to be there.
    pub fn insert(&mut self, value: T) -> u32 {
        let hash = hash(&value);
        let place = self.values.insert(value);
        let values = &self.values;
        self.table
            .insert_unique(hash, place, |&place| values.get(place).map_or(0, |value| self::hash(value)));
        place
    }

    /// The place of a value that is there.
    pub fn find<Q>(&self, value: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let is_it = |&place: &u32| self.values.get(place).is_some_and(|known| known.borrow() == value);
        self.table.find(hash(value), is_it).copied()
    }

    /// Takes a value out; its place is given again.
    pub fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.values.remove(place)?;
        if let Ok(entry) = self.table.find_entry(hash(&value), |&known| known == place) {
            entry.remove();
        }
        Some(value)
    }

    /// Takes out whatever is not needed any more; returns the places that were given back, ascending.
    pub fn retain(&mut self, mut is_needed: impl FnMut(u32) -> bool) -> Vec<u32> {
        let gone: Vec<u32> =
            self.values.iter().map(|(place, _)| place).filter(|&at| !is_needed(at)).collect();
        // Backwards, so that low places are given again first.
        for &place in gone.iter().rev() {
            self.remove(place);
        }
        gone
    }
}

impl<T> Interner<T> {
    /// The value at a place.
    pub fn get(&self, place: u32) -> Option<&T> {
        self.values.get(place)
    }

    /// Values with their places, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.values.iter()
    }

    /// Values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Places, vacant ones included.
    pub fn places(&self) -> usize {
        self.values.places()
    }
}

impl<T> Index<u32> for Interner<T> {
    type Output = T;

    fn index(&self, place: u32) -> &T {
        self.values.get(place).expect("places come from intern, and whoever keeps one says that it is needed")
    }
}

fn hash<Q: Hash + ?Sized>(value: &Q) -> u64 {
    FxBuildHasher.hash_one(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_given_back_goes_to_the_next_value() {
        let mut slab = Slab::default();
        let (a, b) = (slab.insert("a"), slab.insert("b"));
        assert_eq!((slab.remove(a), slab.remove(a), slab.get(a)), (Some("a"), None, None));
        assert_eq!(slab.insert("c"), a);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(a, &"c"), (b, &"b")]);
        assert_eq!((slab.len(), slab.places()), (2, 2));
    }

    #[test]
    fn equal_values_share_a_place_until_it_is_not_needed() {
        let mut texts: Interner<Box<str>> = Interner::default();
        let places: Vec<u32> = ["a", "b", "c", "b"].iter().map(|&text| texts.intern(text.into()).0).collect();
        assert_eq!(places, [0, 1, 2, 1]);
        assert_eq!((texts.find("c"), texts.find("d"), &*texts[1]), (Some(2), None, "b"));
        assert_eq!(texts.retain(|place| place == 1), [0, 2]);
        assert_eq!((texts.find("a"), texts.find("b"), texts.len()), (None, Some(1), 1));
        assert_eq!(texts.intern("d".into()), (0, true));
        assert_eq!(texts.intern("c".into()), (2, true));
        assert_eq!((texts.len(), texts.places()), (3, 3));
    }
}
