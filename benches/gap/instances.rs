//! Random clusters and gangs, by kind.

use super::world::{GPU, Random, Role, World, apart, gang, port, spread};
use phalanx::cluster::ids::{ClassId, NodeId};
use phalanx::cluster::topology::Topology;
use phalanx::placement::{Assignment, GangRequest, TierRule};
use serde_json::json;

const HARD: TierRule = TierRule { required: Some(1), preferred: None };
const SOFT: TierRule = TierRule { required: None, preferred: None };

/// A kind of instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Prefill, decode and router, every subgroup inside a rack.
    ThreeRoles,
    /// A leader and workers of another shape.
    Leader,
    /// Rules hard and soft, some gangs inside one block.
    Mixed,
    /// As many subgroups as fit.
    Elastic,
    /// Pods that keep apart, spread, or ask for ports of the node.
    Coupled,
    /// 64 racks and about 40 subgroups.
    Large,
    /// 64 nodes in leaf groups of 1 to 11 under two spines.
    Uneven,
    /// A placement exists and uses every rack with room.
    Tight,
    /// A placement exists, and one rack in ten is free besides.
    Slack,
    /// A placement of pods that keep apart or spread exists.
    CoupledFits,
}

impl Kind {
    pub(crate) const ALL: [Kind; 10] = [
        Kind::ThreeRoles,
        Kind::Leader,
        Kind::Mixed,
        Kind::Elastic,
        Kind::Coupled,
        Kind::Large,
        Kind::Uneven,
        Kind::Tight,
        Kind::Slack,
        Kind::CoupledFits,
    ];

    /// Does a placement exist by construction?
    pub(crate) fn is_constructed(self) -> bool {
        matches!(self, Kind::Tight | Kind::Slack | Kind::CoupledFits)
    }
}

/// A cluster and a gang.
pub(crate) struct Instance {
    pub(crate) world: World,
    pub(crate) request: GangRequest,
}

/// The instance of a kind and a number.
pub(crate) fn of(kind: Kind, number: u64) -> Instance {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind as u64);
    random.below(2);
    let mut world = cluster(kind, &mut random);
    let coupled = matches!(kind, Kind::Coupled | Kind::CoupledFits);
    let mut roles = roles(kind, &mut world, coupled, &mut random);
    if kind.is_constructed() {
        return constructed(kind, world, roles, &mut random);
    }
    let within_block = kind == Kind::Mixed && random.below(2) == 0;
    let nodes = match within_block {
        false => world.topology.order().to_vec(),
        true => {
            let blocks = world.topology.children(Topology::ROOT);
            let most = blocks.iter().max_by_key(|&&block| world.free(world.topology.nodes(block)));
            world.topology.nodes(*most.expect("a block")).to_vec()
        }
    };
    let percent = match kind {
        Kind::Elastic => 90 + random.below(60),
        _ => 25 + random.below(45),
    } as i64;
    let target = world.free(&nodes) * percent / 100;
    let mut left = target;
    while left > 0 {
        let at = random.below(roles.len() as u64) as usize;
        let gpus = gpus(&world, &roles[at].classes);
        let pods: u32 = roles.iter().map(|role| role.count * role.classes.len() as u32).sum();
        let subgroups: u32 = roles.iter().map(|role| role.count).sum();
        if (gpus == 0 && roles[at].count > 2) || pods > 400 || (kind == Kind::Large && subgroups >= 40) {
            if pods > 400 || subgroups >= 40 {
                break;
            }
            continue;
        }
        roles[at].count += 1;
        left -= gpus;
    }
    if kind == Kind::Elastic {
        for role in &mut roles {
            role.minimum = Some(random.below(2) as u32);
        }
    }
    let request = gang(&roles, within_block.then_some(2));
    Instance { world, request }
}

fn gpus(world: &World, classes: &[ClassId]) -> i64 {
    let of = |class: &ClassId| {
        world.classes.get(*class).requests.iter().find(|request| request.0 == GPU).map_or(0, |r| r.1)
    };
    classes.iter().map(of).sum()
}

fn cluster(kind: Kind, random: &mut Random) -> World {
    let blocks: Vec<Vec<usize>> = match kind {
        Kind::Uneven => vec![vec![11, 8, 6, 6, 5, 3, 2], vec![6, 5, 3, 3, 2, 2, 1, 1]],
        _ => {
            let racks = if kind == Kind::Large { 64 } else { 8 + random.below(57) as usize };
            let wide = 3 + random.below(6) as usize;
            let nodes = 4 + random.below(5) as usize;
            (0..racks.div_ceil(wide)).map(|at| vec![nodes; wide.min(racks - at * wide)]).collect()
        }
    };
    let mut world = World::new(&blocks);
    let free = 20 + random.below(60);
    for node in world.topology.order().to_vec() {
        if random.below(100) >= free {
            let gpus = random.of(&[1, 2, 4, 5, 8, 8]);
            world.take(node, gpus);
        }
    }
    world
}

fn roles(kind: Kind, world: &mut World, coupled: bool, random: &mut Random) -> Vec<Role> {
    let plain = || json!({});
    let rule = |random: &mut Random| match kind {
        Kind::Mixed => random.of(&[HARD, SOFT]),
        _ => HARD,
    };
    let role = |classes: Vec<ClassId>, rule| Role { classes, count: 0, rule, minimum: None };
    if kind == Kind::Leader || (kind != Kind::ThreeRoles && random.below(2) == 0) {
        let gpu = random.of(&[0, 1, 2]);
        let says = match (coupled, random.below(3)) {
            (false, _) => plain(),
            (true, 0) => apart("leader", "kubernetes.io/hostname"),
            (true, 1) => apart("leader", "rack"),
            (true, _) => port(9000),
        };
        let leader = world.class(8_000, gpu, "leader", says);
        let gpu = random.of(&[2, 4, 8]);
        let says = match (coupled, random.below(2)) {
            (true, 0) => apart("worker", "kubernetes.io/hostname"),
            _ => plain(),
        };
        let worker = world.class(2_000 * gpu, gpu, "worker", says);
        return [1 + random.below(3), 2 + random.below(4)]
            .into_iter()
            .map(|workers| {
                let mut classes = vec![worker; workers as usize];
                classes.insert(0, leader);
                role(classes, rule(random))
            })
            .collect();
    }
    let says = match (coupled, random.below(3)) {
        (true, 0) => spread("prefill", "block", 1 + random.below(3) as u32),
        (true, 1) => apart("prefill", "kubernetes.io/hostname"),
        _ => plain(),
    };
    let prefill = world.class(16_000, 8, "prefill", says);
    let says = match (coupled, random.below(3)) {
        (true, 0) => apart("decode", "kubernetes.io/hostname"),
        (true, 1) => spread("decode", "rack", 2 + random.below(4) as u32),
        (true, _) => port(8000),
        _ => plain(),
    };
    let decode = world.class(8_000, random.of(&[2, 4]), "decode", says);
    let router = world.class(4_000, 0, "router", plain());
    let (prefills, decodes) = (1 + random.below(3) as usize, 1 + random.below(5) as usize);
    vec![
        role(vec![prefill; prefills], rule(random)),
        role(vec![decode; decodes], rule(random)),
        role(vec![router], rule(random)),
    ]
}

/// A gang that was placed at random, in a cluster where nothing else is free, or one rack in ten.
fn constructed(kind: Kind, mut world: World, mut roles: Vec<Role>, random: &mut Random) -> Instance {
    let racks = world.of_tier(1);
    let mut shuffled = racks.clone();
    random.shuffle(&mut shuffled);
    let spare = if kind == Kind::Tight { 0 } else { racks.len().div_ceil(10) };
    let most = racks.len() - spare;
    let used = most.min(2 + random.below(most as u64) as usize);
    let mut counts = vec![0u32; roles.len()];
    {
        let view = world.view();
        let mut trial = view.trial();
        let mut taken: Vec<Assignment> = Vec::new();
        for &rack in &shuffled[..used] {
            let mut misses = 0;
            while misses < 6 {
                let at = random.below(roles.len() as u64) as usize;
                let mut nodes = view.topology.nodes(rack).to_vec();
                random.shuffle(&mut nodes);
                let before = taken.len();
                let placed = roles[at].classes.iter().all(|&class| {
                    let fits = |node: &&NodeId| {
                        super::first_fit::has_room(&view, &taken, class, **node)
                            && trial.cause(class, **node).is_none()
                    };
                    let Some(&node) = nodes.iter().find(fits) else { return false };
                    trial.place(class, node);
                    taken.push(Assignment { pod: phalanx::cluster::ids::PodId(class.0), node });
                    true
                });
                let small = gpus(&world, &roles[at].classes) == 0 && counts[at] >= 3;
                if placed && !small {
                    counts[at] += 1;
                } else {
                    while taken.len() > before {
                        taken.pop();
                        trial.undo();
                    }
                    misses += 1;
                }
            }
        }
    }
    // Everything else is full, apart from the racks to spare.
    for &rack in &shuffled[used..] {
        if shuffled.iter().position(|&known| known == rack) >= Some(used + used.div_ceil(10)) || spare == 0 {
            for node in world.topology.nodes(rack).to_vec() {
                world.take(node, world.capacity.free(node, GPU));
                world.capacity.set_allocatable(node, phalanx::cluster::capacity::CPU, 0);
            }
        }
    }
    for (role, count) in roles.iter_mut().zip(counts) {
        role.count = count;
    }
    let request = gang(&roles, None);
    Instance { world, request }
}
