//! Node labels to trees.

use super::*;

#[track_caller]
fn check(levels: &[&str], text: &str, tree: &str, findings: &[&str]) {
    let objects = Objects::parse(text);
    let (topology, found) = objects.build_with(levels);
    assert_eq!(objects.render(&topology), tree);
    let found: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert_eq!(found, findings);
}

#[test]
fn levels_make_tiers() {
    let nodes = "nodes a1 a2 block=b1 rack=r1\nnodes a3 block=b1 rack=r10\nnodes a4 block=b1 rack=r2\nnodes c1 block=b2 rack=r3";
    let tree = "b1:2(r1:1(a1 a2) r2:1(a4) r10:1(a3)) b2:2(r3:1(c1))";
    check(&["block", "rack"], nodes, tree, &[]);
    check(&["block", "rack", "kubernetes.io/hostname"], nodes, tree, &[]);
    check(&["rack"], nodes, "r1:1(a1 a2) r2:1(a4) r3:1(c1) r10:1(a3)", &[]);
    check(&[], nodes, "a1 a2 a3 a4 c1", &[]);
    let (topology, _) = Objects::parse(nodes).build_with(&["block", "rack"]);
    assert_eq!((topology.tier_named("block"), topology.tier_named("rack")), (Some(2), Some(1)));
}

#[test]
fn the_same_value_under_two_parents_is_two_domains() {
    check(
        &["room", "block", "rack"],
        "nodes a room=x block=b1 rack=1\nnodes b room=y block=b1 rack=1\nnodes c room=y block=b2 rack=2",
        "x:3(x/b1:2(x/b1/1:1(a))) y:3(y/b1:2(y/b1/1:1(b)) b2:2(2:1(c)))",
        &[],
    );
}

#[test]
fn a_node_without_a_label_hangs_below_its_last_level() {
    check(
        &["block", "rack"],
        "nodes a block=b rack=r\nnodes b c block=b\nnodes d rack=r\nnodes e block= rack=r",
        "b:2(r:1(a) b c) d e",
        &[
            r#"nodes d and e without the label "block"; placed below the last level they have"#,
            r#"nodes b and c without the label "rack"; placed below the last level they have"#,
        ],
    );
}

#[test]
fn levels_that_no_node_has_are_levels() {
    let (topology, _) = Objects::parse("nodes a").build_with(&["block", "rack"]);
    assert_eq!((topology.lowest_tier(), topology.tier(Topology::ROOT)), (Some(1), 3));
    assert_eq!(topology.tier_named("rack"), Some(1));
}

#[test]
fn bad_levels_are_ignored() {
    check(
        &["kubernetes.io/hostname", "block", "", "block", "rack"],
        "nodes a block=b rack=r kubernetes.io/hostname=a",
        "b:2(r:1(a))",
        &[
            r#"domain label 0 ("kubernetes.io/hostname") must be the last level; it names single nodes; this level is ignored"#,
            r#"domain label 2 ("") is empty; give a label key; this level is ignored"#,
            r#"domain label 3 ("block") occurs twice; list each label once, outermost first; this level is ignored"#,
        ],
    );
}
