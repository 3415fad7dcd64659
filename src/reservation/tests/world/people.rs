//! Controllers that recreate pods, and people who delete them.

use super::super::super::Count;
use super::{Event, World};

impl World {
    /// Somebody deletes a pod.
    pub(super) fn delete(&mut self, pod: String) {
        self.log(|| format!("somebody deletes {pod}"));
        if self.server.delete_pod(&pod) {
            let uid = self.server.pods[&pod].uid.clone();
            let grace = self.dice.range(100, 1_500);
            self.after(grace, Event::Vanish { pod, uid });
        }
    }

    pub(super) fn controllers(&mut self) {
        for (gang, wanted) in self.wanted.clone() {
            if !wanted.recreated || !self.server.groups.contains_key(&gang) {
                continue;
            }
            for (name, role) in &wanted.pods {
                match self.server.pods.get(name) {
                    None if self.dice.chance(700) => self.server.create_pod(name, &gang, role, true),
                    Some(pod) if pod.failed => self.server.remove_pod(name),
                    _ => {}
                }
            }
        }
        self.after(300, Event::Controllers);
    }

    pub(super) fn mischief(&mut self) {
        if !self.faulty() {
            for node in self.server.nodes.clone().into_keys() {
                if !self.server.nodes[&node].ready {
                    self.server.set_ready(&node, true);
                }
            }
            return;
        }
        let wait = self.dice.range(50, 400);
        self.after(wait, Event::Mischief);
        if self.dice.chance(self.faults.instances) {
            let at = self.dice.below(self.instances.len());
            if self.dice.chance(500) {
                let restart = self.dice.range(50, 3_000);
                self.crash(at, restart);
            } else {
                let pause = self.dice.range(200, 8_000);
                self.log(|| format!("i{at} stands still for {pause} ms"));
                self.tried.add("pauses", 1);
                self.instances[at].paused_until = self.now + pause;
            }
        }
        if !self.dice.chance(self.faults.events) {
            return;
        }
        let pods: Vec<String> = self.server.pods.keys().cloned().collect();
        let groups: Vec<String> = self.server.groups.keys().cloned().collect();
        let nodes: Vec<String> = self.server.nodes.keys().filter(|n| *n != "elsewhere").cloned().collect();
        if pods.is_empty() || groups.is_empty() {
            return;
        }
        let pod = pods[self.dice.below(pods.len())].clone();
        let group = groups[self.dice.below(groups.len())].clone();
        match self.dice.below(14) {
            0..=2 => {
                self.tried.add("pods deleted", 1);
                self.delete(pod);
            }
            3 | 4 => {
                let node = nodes[self.dice.below(nodes.len())].clone();
                self.log(|| format!("{node} is lost"));
                self.tried.add("nodes lost", 1);
                self.server.set_ready(&node, false);
                self.after(2_000, Event::CollectNode { node: node.clone() });
                let back = self.dice.range(1_000, 8_000);
                self.after(back, Event::ReturnNode { node });
            }
            5 => {
                self.tried.add("pods bound by others", 1);
                self.server.bind_foreign(&pod, "elsewhere");
            }
            6 => {
                let size = self.wanted.get(&group).map_or(1, |wanted| wanted.pods.len());
                let members = self.dice.range(0, size as u64) as u32;
                self.log(|| format!("the minimum of {group} becomes {members}"));
                self.tried.add("minimum changed", 1);
                self.server.set_minimum(&group, Count { members, ..Count::default() });
            }
            7 | 8 => self.server.group_changed(&group),
            9 | 10 => {
                let Some(wanted) = self.wanted.get_mut(&group) else { return };
                let recreated = wanted.recreated;
                for _ in 0..self.dice.range(1, 3) {
                    let name = format!("{group}-{:02}", wanted.pods.len());
                    wanted.pods.push((name.clone(), String::new()));
                    self.server.create_pod(&name, &group, "", recreated);
                }
                self.tried.add("gangs grown", 1);
            }
            11 | 12 => {
                if self.server.groups.len() < 6 {
                    let size = self.dice.range(1, 6) as u32;
                    let name = format!("h{}", self.terms * 100 + self.now % 100);
                    let pods: Vec<(String, String)> =
                        (0..size).map(|i| (format!("{name}-{i:02}"), String::new())).collect();
                    let members = self.dice.range(1, u64::from(size)) as u32;
                    let recreated = self.dice.chance(750);
                    if !self.server.groups.contains_key(&name) {
                        self.add_gang(&name, &pods, Count { members, ..Count::default() }, recreated);
                    }
                }
            }
            _ => {
                if self.dice.chance(300) {
                    self.log(|| format!("somebody deletes PodGroup {group}"));
                    self.tried.add("groups deleted", 1);
                    self.server.remove_group(&group);
                    self.wanted.remove(&group);
                    let own: Vec<String> =
                        self.server.pods_of(&group).map(|(name, _)| name.clone()).collect();
                    own.into_iter().for_each(|pod| self.delete(pod));
                }
            }
        }
    }
}
