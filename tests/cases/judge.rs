//! Is the outcome what the case expects, and does it hold what every outcome must hold? Written against the case alone:
//! it knows nothing of how the placement was found.

use crate::case::{Case, Cluster, Gang, Pod};
use phalanx::simulation::Report;
use std::collections::{BTreeMap, BTreeSet};

/// All that is wrong with the outcome.
pub(crate) fn judge(cluster: &Cluster, case: &Case, report: &Report) -> Vec<String> {
    let judge = Judge { cluster, case, report, nodes: nodes(report), wrong: Vec::new() };
    judge.run()
}

/// Where the pods of the case's namespace are.
fn nodes(report: &Report) -> BTreeMap<&str, Option<&str>> {
    let rows = report.pods.iter().filter(|pod| pod.namespace == "default");
    rows.map(|pod| (pod.name.as_str(), pod.node.as_deref())).collect()
}

struct Judge<'a> {
    cluster: &'a Cluster,
    case: &'a Case,
    report: &'a Report,
    nodes: BTreeMap<&'a str, Option<&'a str>>,
    wrong: Vec<String>,
}

impl<'a> Judge<'a> {
    fn run(mut self) -> Vec<String> {
        if self.report.summary.ended != "quiet" {
            self.wrong.push(format!("the run ended {}", self.report.summary.ended));
        }
        self.no_overcommit();
        for gang in &self.case.gangs {
            self.gang(gang);
        }
        self.pods();
        self.expectations();
        self.wrong
    }

    fn fail_unless(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(message());
        }
    }

    fn node(&self, pod: &str) -> Option<&'a str> {
        self.nodes.get(pod).copied().flatten()
    }

    /// Pods that had no node and have one now.
    fn bound(&self) -> Vec<(&'a str, &'a str)> {
        let wanted = self.case.all_pods().filter(|pod| pod.node.is_none());
        wanted.filter_map(|pod| Some((pod.name, self.node(pod.name)?))).collect()
    }

    fn no_overcommit(&mut self) {
        for nodes in &self.cluster.nodes {
            for node in &nodes.names.0 {
                let here = || self.case.all_pods().filter(|pod| self.node(pod.name) == Some(node));
                let taken = nodes.taken.as_ref();
                let milli =
                    |amount: &crate::case::Amount| amount.quantity().milli().expect("a small quantity");
                let cpu: i64 = here().map(|pod| milli(&pod.spec.cpu)).sum();
                let memory: i64 = here().map(|pod| milli(&pod.spec.memory)).sum();
                let pods = here().count() as i64 + i64::from(taken.is_some());
                let holds = cpu + taken.map_or(0, |taken| milli(&taken.cpu)) <= milli(&nodes.cpu)
                    && memory + taken.map_or(0, |taken| milli(&taken.memory)) <= milli(&nodes.memory)
                    && 1000 * pods <= milli(&nodes.pods);
                self.fail_unless(holds, || format!("node {node} holds more than it has"));
            }
        }
    }

    /// Of a gang of which anything was placed, the minima and the rules hold.
    fn gang(&mut self, gang: &'a Gang) {
        let pods: Vec<Pod<'_>> =
            self.case.all_pods().filter(|pod| pod.gang.is_some_and(|of| of.name == gang.name)).collect();
        let placed: Vec<&Pod<'_>> =
            pods.iter().filter(|pod| self.node(pod.name).is_some() && !pod.spec.deleting).collect();
        if !placed.iter().any(|pod| pod.node.is_none()) {
            return;
        }
        let name = &gang.name;
        let count = placed.len();
        self.fail_unless(count >= gang.min_member as usize, || {
            format!("{name}: {count} pods are placed, the minimum is {}", gang.min_member)
        });
        let sum: u32 = gang.min_task_member.values().sum();
        for (role, &minimum) in &gang.min_task_member {
            let count = placed.iter().filter(|pod| pod.spec.role.as_ref() == Some(role)).count();
            self.fail_unless(sum > gang.min_member || count >= minimum as usize, || {
                format!("{name}: {count} pods of role {role} are placed, the minimum is {minimum}")
            });
        }
        let nodes: Vec<&str> = placed.iter().filter_map(|pod| self.node(pod.name)).collect();
        let limit = self.cluster.limit(gang.topology.as_ref());
        self.fail_unless(self.within(&nodes, limit), || format!("{name}: breaks its rule"));

        let mut subgroups: BTreeMap<(usize, Vec<String>), Vec<&str>> = BTreeMap::new();
        for pod in &placed {
            if let (Some(key), Some(node)) = (pod.subgroup(), self.node(pod.name)) {
                subgroups.entry(key).or_default().push(node);
            }
        }
        for (at, kind) in gang.subgroups.iter().enumerate() {
            let of_kind = || subgroups.iter().filter(|((of, _), _)| *of == at);
            let complete = of_kind().filter(|(_, nodes)| nodes.len() >= kind.size as usize).count();
            self.fail_unless(complete >= kind.minimum as usize, || {
                format!(
                    "{name}: {complete} subgroups {} are complete, the minimum is {}",
                    kind.name, kind.minimum
                )
            });
            let limit = self.cluster.limit(kind.topology.as_ref());
            for ((_, values), nodes) in of_kind() {
                self.fail_unless(self.within(nodes, limit), || {
                    format!("{name}: subgroup {} {values:?} breaks its rule", kind.name)
                });
            }
        }
    }

    /// Does one domain of the tier or a lower one hold all of these nodes? Nodes that nobody knows are anywhere.
    fn within(&self, nodes: &[&str], limit: Option<u32>) -> bool {
        let Some(limit) = limit.filter(|&limit| limit < self.cluster.root_tier()) else { return true };
        let known: BTreeSet<&str> =
            self.cluster.nodes.iter().flat_map(|nodes| &nodes.names.0).map(String::as_str).collect();
        self.cluster.domains.iter().filter(|domain| domain.tier <= limit).any(|domain| {
            let inside = self.cluster.nodes_in(&domain.name);
            nodes.iter().all(|node| inside.contains(node) || !known.contains(node))
        })
    }

    fn pods(&mut self) {
        for pod in self.case.all_pods() {
            let now = self.node(pod.name);
            if let Some(before) = pod.node {
                let holds = now == Some(before) || pod.spec.deleting && now.is_none();
                self.fail_unless(holds, || format!("{} was on {before} and is on {now:?}", pod.name));
            }
            let row = self.report.pods.iter().find(|row| row.namespace == "default" && row.name == pod.name);
            let phase = row.map_or("", |row| row.phase.as_str());
            let known = self
                .cluster
                .nodes
                .iter()
                .any(|nodes| now.is_some_and(|now| nodes.names.0.iter().any(|name| name == now)));
            self.fail_unless(!known || phase == "Running", || {
                format!("{} has a node and is {phase}", pod.name)
            });
        }
    }

    fn expectations(&mut self) {
        let expect = &self.case.expect;
        let bound = self.bound();
        self.fail_unless(bound.len() == expect.binds, || {
            format!("{} pods were bound, {} are expected: {bound:?}", bound.len(), expect.binds)
        });
        let again = usize::from(self.case.recreate.is_some());
        let placements = self.report.summary.placements as usize;
        self.fail_unless(placements == bound.len() + again, || format!("{placements} placements were made"));
        for (pod, node) in &expect.places {
            let found = self.node(pod);
            self.fail_unless(found == Some(node), || format!("{pod} is on {found:?}, not {node}"));
        }
        if let Some(only) = &expect.only_nodes {
            let elsewhere: Vec<_> =
                bound.iter().filter(|(_, node)| !only.0.iter().any(|only| only == node)).collect();
            self.fail_unless(elsewhere.is_empty(), || format!("outside of {:?}: {elsewhere:?}", only.0));
        }
        if let Some(any) = &expect.within_any {
            let holds = any.0.iter().any(|domain| {
                let inside = self.cluster.nodes_in(domain);
                bound.iter().all(|(_, node)| inside.contains(node))
            });
            self.fail_unless(holds, || format!("within none of {:?}: {bound:?}", any.0));
        }
        for (domain, &expected) in &expect.pods_in {
            let inside = self.cluster.nodes_in(domain);
            let count = self.nodes.values().flatten().filter(|node| inside.contains(node)).count();
            self.fail_unless(count == expected, || {
                format!("{domain} holds {count} pods, {expected} are expected")
            });
        }
        for (gang, &tier) in &expect.together {
            let of = self.case.all_pods().filter(|pod| pod.gang.is_some_and(|of| of.name == *gang));
            let nodes: Vec<&str> = of.filter_map(|pod| self.node(pod.name)).collect();
            self.fail_unless(!nodes.is_empty() && self.within(&nodes, Some(tier)), || {
                format!("{gang} is not in one domain of tier {tier}: {nodes:?}")
            });
        }
        for (domain, expected) in &expect.subgroups_in {
            let mut found = self.subgroups_in(domain);
            let mut expected = expected.clone();
            found.sort();
            expected.sort();
            self.fail_unless(found == expected, || {
                format!("{domain} holds {found:?}, {expected:?} are expected")
            });
        }
        if let Some(expected) = expect.waiting {
            let count = self
                .case
                .all_pods()
                .filter(|pod| self.node(pod.name).is_none() && !pod.spec.deleting)
                .count();
            self.fail_unless(count == expected, || format!("{count} pods wait, {expected} are expected"));
        }
        for (gang, texts) in &expect.says {
            let row = self.report.pod_groups.iter().find(|row| row.name == *gang);
            for text in texts {
                let holds = row.is_some_and(|row| row.reason.is_some() && row.message.contains(text));
                self.fail_unless(holds, || format!("{gang} does not say {text:?}"));
            }
        }
    }

    /// The kinds of the subgroups that lie wholly in a domain.
    fn subgroups_in(&self, domain: &str) -> Vec<String> {
        let inside = self.cluster.nodes_in(domain);
        let mut subgroups: BTreeMap<(&str, usize, Vec<String>), (&str, bool)> = BTreeMap::new();
        for pod in self.case.all_pods() {
            if let (Some(gang), Some((at, values))) = (pod.gang, pod.subgroup()) {
                let key = (gang.name.as_str(), at, values);
                let entry = subgroups.entry(key).or_insert((&gang.subgroups[at].name, true));
                entry.1 &= self.node(pod.name).is_some_and(|node| inside.contains(&node));
            }
        }
        subgroups.into_values().filter(|&(_, whole)| whole).map(|(kind, _)| kind.to_owned()).collect()
    }
}
