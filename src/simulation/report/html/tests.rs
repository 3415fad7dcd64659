//! What a page says, that nothing on it can break out, and that it is the same every time.

use super::*;
use crate::scheduler::SchedulerConfig;
use crate::simulation::{Reader, World};

const NODES: &str = "apiVersion: simulation.phalanx.dev/v1alpha1
kind: Simulation
spec:
  nodePools:
  - {name: h100, count: 8, capacity: {cpu: 64, nvidia.com/gpu: 8}, tree: [{name: rack, tier: 1, count: 2}]}
";

fn render(text: &str) -> String {
    let mut reader = Reader::default();
    reader.read("test.yaml", text);
    let world = World::admit(reader).unwrap();
    let mut run = Simulation::new(world, SchedulerConfig::default());
    run.run(|_| {});
    page(&run, &Report::of(&run, false), "a <b> & \"c\".yaml")
}

fn group(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: default}}\nspec: {spec}\n"
    )
}

fn pod(name: &str, group: &str, gpus: u32) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default, annotations: {{scheduling.k8s.io/group-name: {group}}}}}\n\
         spec: {{schedulerName: volcano, containers: [{{name: c, resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}}}]}}\n"
    )
}

/// The text of a page without its marks, one space between.
fn words(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    let mut text = String::new();
    let mut inside = false;
    for letter in body.chars() {
        match letter {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn has(html: &str, expect: &[&str]) {
    let text = words(html);
    for part in expect {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn a_gang_that_is_placed_sits_in_its_colour() {
    let text = format!("{NODES}{}{}{}", group("g", "{minMember: 2}"), pod("g-0", "g", 8), pod("g-1", "g", 4));
    let html = render(&text);
    has(
        &html,
        &["1 of 1 gang placed", "12 of 64 nvidia.com/gpu in use 18%", "2 pods running", "rack-0 tier 1"],
    );
    assert!(!html.contains("id=\"waiting\"") && !html.contains("id=\"warnings\""));
    // 12 pieces, 2 pods, the legend and the table
    assert_eq!(html.matches("k0\"").count(), 12 + 2 + 2);
    // the rest of 64
    assert_eq!(html.matches("<i></i>").count(), 52);
}

#[test]
fn a_gang_that_waits_says_why_and_what_would_help() {
    let rule = "{minMember: 5, networkTopology: {mode: hard, highestTierAllowed: 1}}";
    let pods: String = (0..5).map(|index| pod(&format!("g-{index}"), "g", 8)).collect();
    let html = render(&format!("{NODES}{}{pods}", group("g", rule)));
    let expect = [
        "1 of 1 gang waits",
        "default/g 0 of 5 scheduled TopologyConstraint Would fit with",
        "tier 1 rack-0 4 of 5 pods",
        "whole cluster 5 of 5 pods would fit, a hard rule forbids it",
        "8 could take one",
        "default/g Inqueue 0/5 5 none TopologyConstraint",
        "0s scheduler Unschedulable PodGroup default/g",
    ];
    has(&html, &expect);
}

#[test]
fn gangs_that_wait_for_the_same_share_a_card() {
    let gangs: String = (0..30)
        .map(|index| {
            format!(
                "{}{}",
                group(&format!("g{index}"), "{minMember: 1}"),
                pod(&format!("p{index}"), &format!("g{index}"), 9)
            )
        })
        .collect();
    let html = render(&format!("{NODES}{gangs}"));
    assert_eq!(html.matches("<article").count(), 1);
    has(&html, &["30 of 30 gangs wait", "and 18 more NotEnoughResources", "8 too small (nvidia.com/gpu)"]);
}

#[test]
fn what_is_broken_is_named() {
    let members = |node: &str| format!("[{{type: Node, selector: {{exactMatch: {{name: {node}}}}}}}]");
    let hyper_node = |name: &str, node: &str| {
        format!(
            "---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {{name: {name}}}\nspec: {{tier: 1, members: {}}}\n",
            members(node)
        )
    };
    let nodes = NODES.replace(", tree: [{name: rack, tier: 1, count: 2}]", "");
    let rule = "{minMember: 1, networkTopology: {mode: hard, highestTierAllowed: 1}}";
    let html = render(&format!(
        "{nodes}  timeline: [{{at: 7s, cordon: {{node: h100-6}}}}, {{at: 8s, delete: {{kind: Pod, name: none}}}}]\n{}{}{}{}",
        hyper_node("a", "h100-0"),
        hyper_node("b", "h100-0"),
        group("g", rule),
        pod("g-0", "g", 1),
    ));
    let expect = [
        "Quarantined SharedNodes HyperNode &quot;a&quot;: spec.members: shares node h100-0 with b",
        "Quarantined QuarantinedNodes 1 node lies in broken HyperNodes",
        "Ignored Refused spec.timeline, at 8s: Pod default/none does not exist",
        "h100-0 in a broken HyperNode",
        "h100-6 cordoned",
    ];
    has(&html, &expect);
}

#[test]
fn nothing_breaks_out_and_nothing_comes_in() {
    // A patch may write what the API server's own checks would refuse; nothing checks a taint's key here.
    let evil = "<script>alert('&')</script>";
    let nodes =
        NODES.replace("capacity:", &format!("taints: [{{key: \"{evil}\", effect: NoSchedule}}], capacity:"));
    let html = render(&format!("{nodes}{}{}", group("g", "{minMember: 1}"), pod("g-0", "g", 1)));
    assert!(html.contains("tainted &lt;script&gt;alert('&amp;')&lt;/script&gt;"));
    assert!(html.contains("<title>a &lt;b&gt; &amp; &quot;c&quot;.yaml"));
    for absent in ["<script", "http:", "https:", "//", "url(", "@import", "src=", "onload"] {
        assert!(!html.contains(absent), "{absent}");
    }
}

#[test]
fn every_mark_is_closed() {
    let text =
        format!("{NODES}{}{}{}", group("g", "{minMember: 2}"), pod("g-0", "g", 8), pod("x", "none", 4));
    let html = render(&text);
    for mark in [
        "div", "section", "table", "tr", "td", "span", "i", "ul", "li", "article", "h2", "h3", "h4", "p",
        "small", "b",
    ] {
        let opened = html.matches(&format!("<{mark}>")).count() + html.matches(&format!("<{mark} ")).count();
        assert_eq!(opened, html.matches(&format!("</{mark}>")).count(), "{mark}");
    }
}

#[test]
fn a_large_cluster_is_drawn_as_strips_and_idle_racks_share_one() {
    let nodes = NODES.replace("count: 8,", "count: 4096,").replace("count: 2}", "count: 256}");
    let pods: String = (0..3).map(|index| pod(&format!("g-{index}"), "g", 8)).collect();
    let text = format!("{nodes}{}{pods}", group("g", "{minMember: 3}"));
    let html = render(&text);
    has(&html, &["24/128 gpu"]);
    assert!(html.matches("<div class=\"row").count() <= 3, "the gang's rack, and those before and after it");
    assert!(
        html.contains("<i class=\"k0\" style=\"flex:3\" title=\"default/g\"></i><i style=\"flex:13\"></i>")
    );
    assert!(html.len() < 20_000, "{}", html.len());
    assert_eq!(html, render(&text));
}
