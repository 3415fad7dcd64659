//! How much a scenario asks to be made: nodes, domains and pods are counted before any is, so that a scenario that asks
//! for more than a machine can hold is refused by the field that asks for it.

use super::{NodePool, Scenario};
use crate::simulation::problem::Problem;
use crate::simulation::reader::Document;
use serde_json::Value;

/// Nodes of all pools.
const NODES: u64 = 1_000_000;

/// HyperNodes of all pools.
const DOMAINS: u64 = 1_000_000;

/// Pods that sit on the nodes of all pools from the start.
const OCCUPANTS: u64 = 1_000_000;

/// Pods of all made gangs, over the whole run.
const PODS: u64 = 10_000_000;

/// A kind of objects, and how many are asked for so far.
struct Sum {
    most: u64,
    what: &'static str,
    asked: u64,
}

impl Sum {
    fn new(most: u64, what: &'static str) -> Self {
        Sum { most, what, asked: 0 }
    }

    /// Adds; an error says what is too much. Only the first field that goes too far is told.
    fn add(&mut self, more: u64) -> Result<(), String> {
        let before = self.asked;
        self.asked = self.asked.saturating_add(more);
        if before > self.most || self.asked <= self.most {
            return Ok(());
        }
        let Sum { most, what, asked } = self;
        Err(format!("makes it {asked} {what}; a simulation has {most} at most"))
    }
}

/// Fields that ask for too much.
pub(super) fn excess(scenario: &Scenario, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut tell = |path: String, answer: Result<(), String>| {
        if let Err(message) = answer {
            problems.push(document.problem(&path, message, "ask for less"));
        }
    };
    let (mut nodes, mut domains) = (Sum::new(NODES, "nodes"), Sum::new(DOMAINS, "domains"));
    let mut occupants = Sum::new(OCCUPANTS, "pods on nodes");
    for (index, pool) in scenario.node_pools.iter().enumerate() {
        let at = format!("spec.nodePools[{index}]");
        let made = amounts(pool);
        let (counted, tree) = if pool.domains.is_some() { ("domains", "domains") } else { ("count", "tree") };
        tell(format!("{at}.{tree}"), domains.add(made.domains));
        tell(format!("{at}.{counted}"), nodes.add(made.nodes));
        for (item, occupied) in pool.occupied.iter().enumerate() {
            let on = made.nodes.saturating_mul(u64::from(occupied.percent)) / 100;
            let pods = on.saturating_mul(u64::from(occupied.pods));
            tell(format!("{at}.occupied[{item}].pods"), occupants.add(pods));
        }
    }
    let mut pods = Sum::new(PODS, "pods of made gangs");
    for (index, gang) in scenario.gangs.iter().enumerate() {
        let size = gang.size.or_else(|| gang.sizes.iter().copied().max()).unwrap_or(0);
        let asked = u64::from(gang.count).saturating_mul(u64::from(size));
        tell(format!("spec.gangs[{index}].count"), pods.add(asked));
    }
    problems
}

/// What a pool makes.
#[derive(Clone, Copy, Debug, Default)]
struct Amounts {
    nodes: u64,
    domains: u64,
}

fn amounts(pool: &NodePool) -> Amounts {
    let mut made = Amounts::default();
    match &pool.domains {
        Some(written) => count_written(written, pool.tree.len(), &mut made),
        None => {
            made.nodes = u64::from(pool.count.unwrap_or(0));
            let mut level = 1u64;
            for count in pool.tree.iter().map(|level| level.count.unwrap_or(1)) {
                level = level.saturating_mul(u64::from(count));
                made.domains = made.domains.saturating_add(level);
            }
        }
    }
    made
}

/// Counts what is written out below some levels of domains. What makes no sense there is told when it is made.
fn count_written(value: &Value, levels: usize, made: &mut Amounts) {
    match value {
        Value::Object(inner) if levels > 0 => {
            made.domains = made.domains.saturating_add(inner.len() as u64);
            inner.values().for_each(|value| count_written(value, levels - 1, made));
        }
        Value::Array(names) if levels == 0 => made.nodes = made.nodes.saturating_add(names.len() as u64),
        Value::Number(count) if levels == 0 => {
            made.nodes = made.nodes.saturating_add(count.as_u64().unwrap_or(0));
        }
        _ => {}
    }
}
