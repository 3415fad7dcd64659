//! The least `Domains` by integer programming, where subgroups lie inside racks and the instance is small.

use super::world::{GPU, World};
use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, SolveOutcome, Variable};
use phalanx::cluster::capacity::CPU;
use phalanx::cluster::ids::ClassId;
use phalanx::cluster::topology::Topology;
use phalanx::placement::GangRequest;
use std::collections::BTreeMap;
use std::time::Duration;

/// Racks up to which it is tried.
const RACKS: usize = 12;

/// Racks plus ten times the blocks, for a gang of which every pod is placed. `None` where it is too large, has other rules,
/// does not fit, or two seconds do not suffice.
pub(crate) fn least(world: &World, request: &GangRequest) -> Option<i64> {
    let topology = &world.topology;
    let racks = world.of_tier(1).len();
    let hard = request.policies.iter().all(|policy| policy.rule.required == Some(1));
    if racks > RACKS || !hard || request.minimum as usize != request.pending() {
        return None;
    }
    // Subgroups of one shape are alike.
    let mut shapes: BTreeMap<Vec<ClassId>, u32> = BTreeMap::new();
    for subgroup in &request.subgroups {
        let mut classes: Vec<ClassId> = subgroup.members.iter().map(|member| member.class).collect();
        classes.sort_unstable();
        *shapes.entry(classes).or_default() += 1;
    }
    let mut classes: Vec<ClassId> = shapes.keys().flatten().copied().collect();
    classes.sort_unstable();
    classes.dedup();
    let asked = |class: ClassId, resource| {
        let requests = &world.classes.get(class).requests;
        requests.iter().find(|request| request.0 == resource).map_or(0, |request| request.1)
    };
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    problem.set_time_limit(Duration::from_secs(2));
    let mut placed: Vec<LinearExpr> = shapes.iter().map(|_| LinearExpr::empty()).collect();
    for &block in topology.children(Topology::ROOT) {
        let uses_block = problem.add_binary_var(10.0);
        for &rack in topology.children(block) {
            let uses_rack = problem.add_binary_var(1.0);
            problem.add_constraint([(uses_rack, 1.0), (uses_block, -1.0)], ComparisonOp::Le, 0.0);
            let copies: Vec<Variable> =
                shapes.values().map(|&count| problem.add_integer_var(0.0, (0, count as i32))).collect();
            for ((&copies, &count), placed) in copies.iter().zip(shapes.values()).zip(&mut placed) {
                problem.add_constraint(
                    [(copies, 1.0), (uses_rack, -f64::from(count))],
                    ComparisonOp::Le,
                    0.0,
                );
                placed.add(copies, 1.0);
            }
            // Pods by node and class.
            let mut of_class: Vec<LinearExpr> = classes.iter().map(|_| LinearExpr::empty()).collect();
            for &node in topology.nodes(rack) {
                let pods: Vec<Variable> =
                    classes.iter().map(|_| problem.add_integer_var(0.0, (0, 64))).collect();
                for resource in [CPU, GPU] {
                    let mut held = LinearExpr::empty();
                    for (&pods, &class) in pods.iter().zip(&classes) {
                        held.add(pods, asked(class, resource) as f64);
                    }
                    let free = world.capacity.free(node, resource);
                    problem.add_constraint(held, ComparisonOp::Le, free as f64);
                }
                pods.iter().zip(&mut of_class).for_each(|(&pods, sum)| sum.add(pods, 1.0));
            }
            for (mut sum, &class) in of_class.into_iter().zip(&classes) {
                for (shape, &copies) in shapes.keys().zip(&copies) {
                    let each = shape.iter().filter(|&&known| known == class).count();
                    sum.add(copies, -(each as f64));
                }
                problem.add_constraint(sum, ComparisonOp::Ge, 0.0);
            }
        }
    }
    for (expression, &count) in placed.into_iter().zip(shapes.values()) {
        problem.add_constraint(expression, ComparisonOp::Eq, f64::from(count));
    }
    match problem.solve() {
        Ok(SolveOutcome::Solution(solution)) => Some(solution.objective().round() as i64),
        _ => None,
    }
}
