//! HyperNodes to trees, sound ones and broken ones.

use super::*;
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};

/// Builds; compares the tree and the findings, each as its code and the HyperNodes it is about.
#[track_caller]
fn check(text: &str, tree: &str, findings: &[&str]) {
    let objects = Objects::parse(text);
    let (topology, found) = objects.build_with(&[]);
    assert_eq!(objects.render(&topology), tree);
    let found: Vec<String> = found
        .iter()
        .map(|finding| format!("{} {}", finding.code(), finding.hyper_nodes().join(" ")))
        .collect();
    assert_eq!(found, findings);
}

#[track_caller]
fn check_message(text: &str, message: &str) {
    let (_, found) = Objects::parse(text).build_with(&[]);
    let found: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(found.iter().any(|found| found == message), "{found:#?}");
}

#[test]
fn sound_trees() {
    check("nodes a1 a2 b1 c1\nr1 1: a1 a2\nr2 1: b1\ns 2: @r1 @r2", "s:2(r1:1(a1 a2) r2:1(b1)) c1", &[]);
    // numbers in names count as numbers
    check("nodes n10 n9 n2\nr10 1: n2\nr9 1: n9 n10", "r9:1(n9 n10) r10:1(n2)", &[]);
    // unequal depth, tier 0, several roots, nodes beside HyperNodes
    check(
        "nodes a b c d e\nr0 0: a\nr1 1: @r0 b\ns 5: @r1 c\nlone 3: d",
        "lone:3(d) s:5(r1:1(r0:0(a) b) c) e",
        &[],
    );
    // without HyperNodes or without nodes
    check("nodes a b", "a b", &[]);
    check("s 2: @r\nr 1: a", "s:2(r:1())", &["MissingMembers r"]);
    check("r 1:", "r:1()", &[]);
}

#[test]
fn labels_make_no_domains_beside_hyper_nodes() {
    let objects = Objects::parse("nodes a rack=x\nr 1: @r");
    let (topology, _) = objects.build_with(&["rack"]);
    assert_eq!(objects.render(&topology), "a");
}

#[test]
fn members_by_name_pattern_and_label() {
    let nodes = "nodes prefix-1 node-2 node-22\nnodes node-5 role=worker\nnodes node-6 role=master\n";
    for (member, inside) in [
        ("/^prefix/", "prefix-1"),
        ("/node-2/", "node-2 node-22"), // unanchored
        ("/^node-2$/", "node-2"),
        ("/^(node-2|node-5)$/", "node-2 node-5"),
        ("/2$/", "node-2 node-22"),
        ("/(?i)PREFIX/", "prefix-1"),
        ("/./", "node-2 node-5 node-6 node-22 prefix-1"),
        ("/[x-z]/", "prefix-1"),
        ("/^node-[0-5]+$/", "node-2 node-5 node-22"),
        ("/^(node-22|[a-z]+.[01])$/", "node-22 prefix-1"),
        ("/^(not-in-any-name)?node-5/", "node-5"),
        ("/^(not-in-any-name){0,2}node-5/", "node-5"),
        ("/(de-2){2}|(2){2}/", "node-22"),
        ("node-2", "node-2"),
        ("{role=worker}", "node-5"),
        ("{role=invalid-role}", ""),
        ("{role=worker,zone=a}", ""),
        ("{}", "node-2 node-5 node-6 node-22 prefix-1"),
        ("@/node-5/", ""),                               // there is no HyperNode of that name
        ("node-2 /node-2/ /^node-2/", "node-2 node-22"), // several times the same
    ] {
        let objects = Objects::parse(&format!("{nodes}r 1: {member}"));
        let (topology, findings) = objects.build_with(&[]);
        let domain = objects.domain(&topology, "r");
        let found: Vec<&str> =
            topology.nodes(domain).iter().map(|node| objects.nodes[node.index()].0.as_str()).collect();
        assert_eq!((found.join(" ").as_str(), findings.len()), (inside, 0), "{member}");
    }
}

#[test]
fn members_by_label_expression() {
    use SelectorOperator::{DoesNotExist, Exists, Gt, In, NotIn};
    for (operator, values, inside, error) in [
        (In, &["a", "b", "a"][..], 2, None),
        (NotIn, &["a"][..], 2, None),
        (Exists, &[][..], 2, None),
        (DoesNotExist, &[][..], 1, None),
        (In, &[][..], 0, Some("matchExpressions[0].operator: In needs at least one value")),
        (Exists, &["a"][..], 0, Some("matchExpressions[0].operator: Exists takes no values")),
        (
            Gt,
            &["1"][..],
            0,
            Some(
                "matchExpressions[0].operator: Gt is unknown here; must be In, NotIn, Exists or DoesNotExist",
            ),
        ),
    ] {
        let mut objects = Objects::parse("nodes n1 k=a\nnodes n2 k=b\nnodes n3\nr 1: {}");
        let labels = objects.hyper_nodes[0].1.members[0].selector.label_match.as_mut().expect("set");
        let values = values.iter().map(|&value| value.to_owned()).collect();
        labels.match_expressions =
            vec![LabelSelectorRequirement { key: "k".to_owned(), operator: operator.clone(), values }];
        let (topology, findings) = objects.build_with(&[]);
        assert_eq!(topology.nodes(DomainId(1)).len(), inside, "{operator}");
        let fault = |error: &str| Finding::BadMember {
            hyper_node: "r".into(),
            member: 0,
            fault: MemberFault::BadSelector(error.into()),
        };
        assert_eq!(findings, error.map(fault).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn hyper_nodes_by_pattern_are_those_of_lower_tiers() {
    check(
        "nodes a b\nx-r1 1: a\nx-r2 1: b\nx-b1 2: @/^x-r/\nx-s 3: @/^x-/",
        "x-s:3(x-b1:2(x-r1:1(a) x-r2:1(b)))",
        &[],
    );
}

#[test]
fn a_cycle_spares_what_is_sound_below_and_above_it() {
    let cycle = "nodes node-0 node-1\nh2 3: @h1\nh0 1: node-0 node-1\nh1 2: @h0 @h3\nh3 4: @h2";
    check(cycle, "h0:1(node-0 node-1)", &["HyperNodeCycle h1 h2 h3"]);
    // mended: what is a chain is a chain
    let chain = "nodes node-0 node-1\nh2 3: @h1\nh0 1: node-0 node-1\nh1 2: @h0\nh3 4: @h2";
    check(chain, "h3:4(h2:3(h1:2(h0:1(node-0 node-1))))", &[]);
    // around and beside it
    check(
        "nodes a b c\ntop 9: @x @r3\nx 4: @y @r1\ny 3: @x @r2\nr1 1: a\nr2 1: b\nr3 1: c",
        "top:9(r1:1(a) r2:1(b) r3:1(c))",
        &["HyperNodeCycle x y"],
    );
    // entered from two sides: only what contains all of it contains its members
    check(
        "nodes a\ntop 9: @p @q\np 5: @x\nq 5: @y\nx 4: @y @r\ny 3: @x\nr 1: a",
        "top:9(p:5() q:5() r:1(a))",
        &["HyperNodeCycle x y"],
    );
    check("nodes a b\nr 1: @r a\ns 2: b", "s:2(b) a", &["HyperNodeCycle r"]);
}

#[test]
fn who_shares_nodes_is_quarantined_with_the_other() {
    check(
        "nodes a1 a2 b1 b2 c1\nra 1: a1 a2 b1\nrb 1: b1 b2\nrc 1: c1\ns 2: @ra @rb @rc",
        "s:2(rc:1(c1) a1 a2 b1 b2)",
        &["SharedNodes ra", "SharedNodes rb"],
    );
    // in different blocks: the blocks stay, without the node that both would have
    check(
        "nodes a1 x b1\nra 1: a1 x\nrb 1: x b1\nsa 2: @ra\nsb 2: @rb\ntop 3: @sa @sb",
        "top:3(sa:2(a1) sb:2(b1) x)",
        &["SharedNodes ra", "SharedNodes rb"],
    );
    // a chain of disputes must not depend on which comes first
    check(
        "nodes a b\nr1 1: a\nr2 1: a b\nr3 1: b",
        "a b",
        &["SharedNodes r1", "SharedNodes r2", "SharedNodes r3"],
    );
    // a list of all nodes further up contradicts nobody
    check("nodes a b c\nr 1: a b\ns 2: @r a b c", "s:2(r:1(a b) c)", &[]);
    // but it does if it is nobody's parent
    check("nodes a b\nr 1: a\ns 2: a b", "a b", &["SharedNodes r", "SharedNodes s"]);
    // several claimants in one branch
    check(
        "nodes n\ng 9: @h n\nh 5: @p1 @p2\np1 3: @r1 n\np2 3: @r2\nr1 1: n\nr2 1: n",
        "g:9(h:5(p2:3() n))",
        &["SharedNodes p1", "SharedNodes r1", "SharedNodes r2"],
    );
    // a list of all nodes just where the rivals meet is no rival
    check(
        "nodes a b\ns 2: @r1 @r2 a b\nr1 1: a\nr2 1: a b",
        "s:2(a b)",
        &["SharedNodes r1", "SharedNodes r2"],
    );
    // quarantined inside of quarantined
    check(
        "nodes a b\ntop 3: @s1 @s2\ns1 2: @r1 @r0\ns2 2: @r0 @r2\nr0 1:\nr1 1: a\nr2 1: a b",
        "top:3(r0:1() a b)",
        &["SharedNodes r1", "SharedNodes r2", "SecondParent s1", "SecondParent s2"],
    );
}

#[test]
fn a_second_parent_leaves_the_child_sound() {
    check(
        "nodes a b c\nra 1: a\nrb 1: b\nrc 1: c\nsa 2: @ra @rb\nsb 2: @rb @rc\ntop 3: @sa @sb",
        "top:3(ra:1(a) rb:1(b) rc:1(c))",
        &["SecondParent sa", "SecondParent sb"],
    );
    // of two trees
    check(
        "nodes a b c\nra 1: a\nrb 1: b\nrc 1: c\nsa 2: @ra @rb\nsb 2: @rb @rc\nta 3: @sa\ntb 3: @sb",
        "rb:1(b) ta:3(ra:1(a)) tb:3(rc:1(c))",
        &["SecondParent sa", "SecondParent sb"],
    );
    // listed again further up: the innermost counts
    check("nodes a\nr 1: a\ns 2: @r\nt 3: @s @r", "t:3(s:2(r:1(a)))", &[]);
    // two disputes at once
    check(
        "nodes a b\nra 1: a\nrb 1: b\ns1 2: @ra\ns2 2: @ra @rb\ns3 2: @rb",
        "ra:1(a) rb:1(b)",
        &["SecondParent s1", "SecondParent s2", "SecondParent s3"],
    );
    // what is contested as a parent takes no rack down over a node
    check(
        "nodes a x\nra 1: a\nrx 1: x\ns1 2: @ra x\ns2 2: @ra",
        "ra:1(a) rx:1(x)",
        &["SecondParent s1", "SecondParent s2"],
    );
}

#[test]
fn tiers_rise_from_member_to_hyper_node() {
    // the parent promises more than its parts hold
    check("nodes a b\nr1 1: a\nr2 1: b\ns 1: @r1 @r2\nt 3: @s", "t:3(r1:1(a) r2:1(b))", &["TierInversion s"]);
    // a rack that is out of line with its block and its spine takes neither down
    check(
        "nodes a b\nr1 11: a\nr2 1: b\ns 2: @r1 @r2\nt 3: @s",
        "t:3(s:2(r2:1(b) a))",
        &["TierInversion r1"],
    );
    // no telling: the outer one
    check("nodes a b\nr1 7: a\nr2 1: b\ns 2: @r1 @r2", "r1:7(a) r2:1(b)", &["TierInversion s"]);
    // through a HyperNode that is broken itself
    check(
        "nodes a b\nr 5: a\nx 9: @r @y\ny 9: @x\ns 5: @x b",
        "r:5(a) b",
        &["TierInversion s", "HyperNodeCycle x y"],
    );
    check(
        "nodes a\nr 2: a\np 2: @r\nq 1: @p\ns 2: @q",
        "r:2(a)",
        &["TierInversion p", "TierInversion q", "TierInversion s"],
    );
    check("nodes a b\nr -1: a\ns 4294967295: @r b", "a b", &["TierOutOfRange r", "TierOutOfRange s"]);
    check("nodes a\nr 4294967294: a", "r:4294967294(a)", &[]);
}

#[test]
fn one_name_for_two_tiers_is_no_name() {
    let text = "nodes a b\nr1 1 rack: a\nr2 2 rack: b\ns 3 spine: @r1 @r2";
    check(text, "s:3(r1:1(a) r2:2(b))", &["AmbiguousTierName r1 r2"]);
    let (topology, _) = Objects::parse(text).build_with(&[]);
    assert_eq!((topology.tier_named("rack"), topology.tier_named("spine")), (None, Some(3)));
    // what is quarantined names nothing, and takes no name from others
    let (topology, _) = Objects::parse("nodes a\nr1 1 rack: a\nx 4 rack: @x\ny 5 row: @y").build_with(&[]);
    assert_eq!((topology.tier_named("rack"), topology.tier_named("row")), (Some(1), None));
    // two names for one tier are fine
    let (topology, findings) = Objects::parse("nodes a b\nr1 1 rack: a\nr2 1 leaf: b").build_with(&[]);
    assert_eq!(
        (topology.tier_named("rack"), topology.tier_named("leaf"), findings),
        (Some(1), Some(1), vec![])
    );
}

#[test]
fn a_bad_member_spoils_only_itself() {
    check("nodes a b\nr 1: a /(/ @{x=y}", "r:1(a) b", &["BadMember r", "BadMember r"]);
    let mut objects = Objects::parse("nodes a b c\nr 1: a b c");
    let members = &mut objects.hyper_nodes[0].1.members;
    members[0].selector.regex_match = Some(RegexMatch { pattern: "b".to_owned() });
    members[1].selector = MemberSelector::default();
    members[2].type_ = MemberType::Other("Rack".to_owned());
    members.push(member(""));
    members.push(member("//"));
    let (topology, findings) = objects.build_with(&[]);
    assert_eq!(objects.render(&topology), "r:1() a b c");
    let messages: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        messages,
        [
            r#"HyperNode "r": spec.members[0].selector: has several selectors; set only one of exactMatch, regexMatch and labelMatch; this member is ignored"#,
            r#"HyperNode "r": spec.members[1].selector: is empty; set one of exactMatch, regexMatch and labelMatch; this member is ignored"#,
            r#"HyperNode "r": spec.members[2].type: "Rack" is unknown; must be Node or HyperNode; this member is ignored"#,
            r#"HyperNode "r": spec.members[3].selector.exactMatch.name: is empty; set the name of one object; this member is ignored"#,
            r#"HyperNode "r": spec.members[4].selector.regexMatch.pattern: "" cannot be used: it is empty; this member is ignored"#,
        ]
    );
}

#[test]
fn messages_name_the_object_the_field_and_the_remedy() {
    check_message(
        "nodes a\nh1 1: @h2\nh2 2: @h3\nh3 3: @h1",
        r#"HyperNode "h1": spec.members: contains itself: h1 -> h2 -> h3 -> h1; remove one of these members; 3 HyperNodes are quarantined"#,
    );
    check_message(
        "nodes n1 n2 n3 n4 n5\nra 1: n1 n2 n3 n4 n5\nrb 1: /n/",
        r#"HyperNode "ra": spec.members: shares nodes n1, n2, n3 and 2 more with rb; a node belongs to one HyperNode, or to HyperNodes that contain each other: remove the wrong member; quarantined, as it cannot be told which is right"#,
    );
    check_message(
        "nodes a\nra 1: a\ns1 2: @ra\ns2 2: @ra\ns3 2: @ra",
        r#"HyperNode "s2": spec.members: shares HyperNode ra with s1 and s3; a HyperNode has one parent: remove the wrong member; quarantined, as it cannot be told which is right"#,
    );
    check_message(
        "nodes n\nr1 1: n\nr2 1: n\nr10 1: n\nr4 1: n\nr5 1: n\nr6 1: n",
        r#"HyperNode "r4": spec.members: shares node n with r1, r2, r5 and others; a node belongs to one HyperNode, or to HyperNodes that contain each other: remove the wrong member; quarantined, as it cannot be told which is right"#,
    );
    check_message(
        "nodes a\nr 2: a\ns 2: @r",
        r#"HyperNode "s": spec.tier: 2 is not above the tier of "r" inside it, which is 2; tiers must rise from a member to the HyperNode that lists it: raise the one or lower the other; quarantined"#,
    );
    check_message(
        "nodes a\nr 3: a\ns 2: @r\nt 3: @s",
        r#"HyperNode "r": spec.tier: 3 is not below the tier of "s" around it, which is 2, nor of the one around that; tiers must rise from a member to the HyperNode that lists it: set a tier below 2; quarantined"#,
    );
    check_message(
        "r -4: a",
        r#"HyperNode "r": spec.tier: -4 is out of range; must be from 0 to 4294967294; quarantined"#,
    );
    check_message(
        "r1 1 rack: @x\nr2 2 rack: @x",
        r#"tier name "rack" stands for several tiers: 1 (HyperNode "r1"), 2 (HyperNode "r2"); give each tier a spec.tierName of its own; gangs that ask for "rack" are held"#,
    );
    check_message("r1 1: a @b @c", r#"HyperNode "r1": spec.members: no HyperNodes b and c yet"#);
    check_message(
        "r 1: /a(/",
        r#"HyperNode "r": spec.members[0].selector.regexMatch.pattern: "a(" cannot be used: unclosed group; this member is ignored"#,
    );
    check_message(
        "r 1: /((a{500}){500}){500}/",
        r#"HyperNode "r": spec.members[0].selector.regexMatch.pattern: "((a{500}){500}){500}" cannot be used: it is too large when its repetitions are written out; this member is ignored"#,
    );
    check_message(
        "r 1: @{a=b}",
        r#"HyperNode "r": spec.members[0].selector.labelMatch: has no effect on members of type HyperNode; list them with exactMatch or regexMatch; this member is ignored"#,
    );
}

#[test]
fn nodes_of_broken_hyper_nodes_are_marked() {
    let objects = Objects::parse("nodes a b c d e\nra 1: a b\nrb 1: b c\nrd 1: d\nx 4: @rd @x\ny 5: e");
    let (topology, _) = objects.build_with(&[]);
    let marked: Vec<bool> = (0..5).map(|node| topology.is_in_quarantine(NodeId(node))).collect();
    assert_eq!(marked, [true, true, true, true, false]);
    assert!(!topology.is_in_quarantine(NodeId(99)));
}

#[test]
fn tiers_of_what_is_broken_still_count() {
    // all racks share a node, and the spine contains itself: rules for tier 1 and 3 must not become weaker
    let text = "nodes a b c\nra 1 rack: a b\nrb 1 rack: b c\nblock 2: @ra @rb\nspine 3: @block @spine";
    let (topology, _) = Objects::parse(text).build_with(&[]);
    assert_eq!(topology.by_tier().iter().map(|&(tier, _)| tier).collect::<Vec<_>>(), [2]);
    assert_eq!((topology.lowest_tier(), topology.tier(Topology::ROOT)), (Some(1), 4));
    assert_eq!(topology.tier_named("rack"), None);
    assert_eq!(Topology::uniform(&[], 1).lowest_tier(), None);
    // a tier that cannot be one does not count
    let (topology, _) = Objects::parse("nodes a\nr -1: a\ns 4294967295: @r").build_with(&[]);
    assert_eq!((topology.lowest_tier(), topology.tier(Topology::ROOT)), (None, 1));
}

#[test]
fn lowest_common_domains() {
    let objects = Objects::parse(
        "nodes node-0 node-1 node-2 node-3 node-4 node-5 node-6 node-7 node-8 node-9
         h0 1: node-0 node-1
         h1 1: node-2 node-3
         h2 1: node-4 node-5
         h3 1: node-6 node-7
         h4 2: @h0 @h1
         h5 2: @h2 @h3
         h6 3: @h4 @h5
         orphan 1: node-8 node-9",
    );
    let (topology, findings) = objects.build_with(&[]);
    assert_eq!(findings, []);
    for (a, b, common) in [
        ("h0", "h1", "h4"),
        ("h0", "h3", "h6"),
        ("h0", "orphan", Topology::ROOT_NAME),
        ("h4", "h0", "h4"),
        ("h2", "h2", "h2"),
    ] {
        let common_domain = topology.common(objects.domain(&topology, a), objects.domain(&topology, b));
        assert_eq!(topology.name(common_domain), common, "{a} {b}");
    }
}
