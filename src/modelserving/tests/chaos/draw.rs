//! Random specs and edits.

use crate::api::meta::IntOrString;
use crate::api::model_serving::ModelServing;
use crate::modelserving::tests::world::World;
use serde_json::json;

pub(super) fn random_object(random: &mut Random) -> ModelServing {
    let role = |random: &mut Random, name: &str| {
        let workers = random.below(3);
        let mut role = json!({
            "name": name,
            "replicas": random.below(4).max(usize::from(name == "a")),
            "workerReplicas": workers,
            "entryTemplate": {"spec": {"containers": [{"name": "c", "image": "0"}]}},
        });
        if workers > 0 || random.one_in(2) == 0 {
            role["workerTemplate"] = json!({"spec": {"containers": [{"name": "c", "image": "0"}]}});
        }
        role
    };
    let mut roles = vec![role(random, "a")];
    if random.one_in(2) == 0 {
        roles.push(role(random, "b-1"));
    }
    let policy = ["RoleRecreate", "ServingGroupRecreate", "None"][random.below(3)];
    let mut object: ModelServing = serde_json::from_value(json!({
        "metadata": {"name": "ms"},
        "spec": {
            "replicas": random.below(4),
            "recoveryPolicy": policy,
            "template": {"restartGracePeriodSeconds": random.below(2) * 4, "roles": roles},
        },
    }))
    .unwrap();
    budgets(random, &mut object);
    object
}

fn number(number: usize) -> Option<IntOrString> {
    Some(IntOrString::Int(number as i32))
}

/// Draws strategy, budgets and partitions that validation accepts.
fn budgets(random: &mut Random, object: &mut ModelServing) {
    let roles = object.spec.recovery_policy != Some("ServingGroupRecreate".into()) && random.one_in(2) == 0;
    let surge = random.below(3);
    let unavailable = random.below(3).max(usize::from(surge == 0));
    let strategy = if roles {
        json!({"type": "RoleRollingUpdate"})
    } else {
        json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration":
            {"maxUnavailable": unavailable, "maxSurge": surge, "partition": random.below(3) * random.below(2)}})
    };
    object.spec.rollout_strategy = Some(serde_json::from_value(strategy).unwrap());
    for role in &mut object.spec.template.roles {
        (role.max_unavailable, role.max_surge, role.partition) = (number(1), None, None);
        if roles {
            let surge = random.below(3);
            role.max_surge = number(surge);
            role.max_unavailable = number(random.below(3).max(usize::from(surge == 0)));
            role.partition = number(random.below(3) * random.below(2));
        }
    }
}

pub(super) fn edit(random: &mut Random, world: &mut World) -> String {
    let mut what = String::new();
    world.edit(|object| {
        let roles = object.spec.template.roles.len();
        let role = &mut object.spec.template.roles[random.below(roles)];
        what = match random.one_in(6) {
            0 | 1 => {
                let image = random.below(3).to_string();
                role.entry_template.spec.as_mut().unwrap()["containers"][0]["image"] = image.clone().into();
                format!("image {image}")
            }
            2 => {
                object.spec.replicas = Some(random.below(4) as i32);
                format!("replicas {:?}", object.spec.replicas)
            }
            3 => {
                role.replicas = Some(random.below(4).max(usize::from(role.name == "a")) as i32);
                format!("role replicas {:?}", role.replicas)
            }
            4 if role.worker_template.is_some() => {
                role.worker_replicas = random.below(3) as i32;
                format!("workers {}", role.worker_replicas)
            }
            _ => {
                budgets(random, object);
                format!("{:?}", object.spec.rollout_strategy)
            }
        };
    });
    what
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn one_in(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % count
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        self.one_in(count as u64) as usize
    }
}
