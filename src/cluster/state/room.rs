//! Room that is kept on nodes for pods of a gang that do not exist yet, so that nobody else takes it meanwhile.
//!
//! It counts as used for everybody. Whoever asks for the gang's own pods gives it back first. It never stands against a
//! fact: where somebody else binds a pod to the node and both do not fit, the kept room goes.

use super::Cluster;
use crate::cluster::class::Class;
use crate::cluster::ids::{ClassId, GangId, NodeId, ResourceId};
use std::collections::BTreeMap;

/// Room for one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Room {
    /// Where.
    pub node: NodeId,
    /// For a pod of this class.
    pub class: ClassId,
}

/// Room by gang.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// For pods that do not exist yet.
    coming: BTreeMap<GangId, Vec<Room>>,
    /// For pods that wait until others have left. Those still hold it, so that what is free may be less than nothing
    /// meanwhile; it does not yield.
    promised: BTreeMap<GangId, Vec<Room>>,
}

impl Kept {
    pub(super) fn all(&self) -> impl Iterator<Item = &Room> {
        self.coming.values().chain(self.promised.values()).flatten()
    }
}

impl Cluster {
    /// Keeps this room for a gang from now on, and no other.
    pub fn keep_room(&mut self, gang: GangId, room: Vec<Room>) {
        self.give_room_back(gang);
        for room in &room {
            self.capacity.take(room.node, &self.classes.get(room.class).requests);
        }
        if !room.is_empty() {
            self.kept.coming.insert(gang, room);
        }
    }

    /// Keeps no room for a gang any longer. Returns what was kept.
    pub fn give_room_back(&mut self, gang: GangId) -> Vec<Room> {
        let Some(room) = self.kept.coming.remove(&gang) else { return Vec::new() };
        for room in &room {
            self.capacity.give(room.node, &self.classes.get(room.class).requests);
            self.marks.gained.insert(room.node);
        }
        room
    }

    /// The room that is kept for a gang.
    pub fn room_of(&self, gang: GangId) -> &[Room] {
        self.kept.coming.get(&gang).map_or(&[], Vec::as_slice)
    }

    /// Keeps this room for pods of a gang that wait until others have left, and no other.
    pub fn promise_room(&mut self, gang: GangId, room: Vec<Room>) {
        self.take_promise_back(gang);
        for room in &room {
            self.capacity.take(room.node, &self.classes.get(room.class).requests);
        }
        if !room.is_empty() {
            self.kept.promised.insert(gang, room);
        }
    }

    /// Takes back what [`Cluster::promise_room`] kept, and returns it. No node is marked: who lets go of it for good does that.
    pub fn take_promise_back(&mut self, gang: GangId) -> Vec<Room> {
        let Some(room) = self.kept.promised.remove(&gang) else { return Vec::new() };
        for room in &room {
            self.capacity.give(room.node, &self.classes.get(room.class).requests);
        }
        room
    }

    /// The room that is kept for pods of a gang until others have left.
    pub fn promised_to(&self, gang: GangId) -> &[Room] {
        self.kept.promised.get(&gang).map_or(&[], Vec::as_slice)
    }

    /// Gangs that room is kept for until others have left, by id.
    pub fn gangs_with_promises(&self) -> impl Iterator<Item = GangId> {
        self.kept.promised.keys().copied()
    }

    /// Gangs that room is kept for, by id.
    pub fn gangs_with_room(&self) -> impl Iterator<Item = GangId> {
        self.kept.coming.keys().copied()
    }

    /// What is kept in all, by resource.
    pub fn kept_amount(&self, resource: ResourceId) -> i64 {
        let amount = |room: &Room| {
            let requests = &self.classes.get(room.class).requests;
            requests.iter().find(|(named, _)| *named == resource).map_or(0, |(_, amount)| *amount)
        };
        self.kept.all().map(amount).sum()
    }

    /// The class of pods like this one that ask for something else and have no rules about other pods.
    pub fn class_asking(&mut self, like: ClassId, requests: Box<[(ResourceId, i64)]>) -> ClassId {
        let constraint = self.classes.get(like).constraint;
        let coupling = crate::cluster::ids::CouplingId(0);
        self.classes.intern(Class { requests, constraint, coupling })
    }

    /// A node that holds more than it has gives up room that is kept there, until it holds no more than it has. The gangs
    /// are marked: they are to have room elsewhere.
    pub(super) fn yield_room(&mut self, node: NodeId) {
        while self.is_overfull(node) {
            let here = |(_, rooms): &(&GangId, &Vec<Room>)| rooms.iter().any(|room| room.node == node);
            // The youngest gang first.
            let Some(gang) = self.kept.coming.iter().rev().find(here).map(|(gang, _)| *gang) else { return };
            let Some(rooms) = self.kept.coming.get_mut(&gang) else { return };
            if let Some(at) = rooms.iter().rposition(|room| room.node == node) {
                let room = rooms.remove(at);
                self.capacity.give(node, &self.classes.get(room.class).requests);
            }
            if rooms.is_empty() {
                self.kept.coming.remove(&gang);
            }
            self.marks.gangs.insert(gang);
        }
    }

    fn is_overfull(&self, node: NodeId) -> bool {
        !self.kept.coming.is_empty()
            && (0..self.capacity.resources())
                .any(|index| self.capacity.free(node, ResourceId(index as u32)) < 0)
    }
}
