//! `phalanx journal` on a dump: what is promised, and what cannot be read of it.

use crate::binary::phalanx;

const DUMP: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: other, namespace: phalanx-system}
  data: {journal: "no journal"}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: phalanx-journal-0, namespace: phalanx-system}
  data:
    journal: v1;3;17;pod-a
    g0: gang1;b;ml;llama;1;rack-7;;2;00llama-0,=u0,00n-1;061,=u1,022
    g1: gang1;b;ml;torn;;;;2;00a,=u2,00n-1
    g2: plan7;something
"#;

#[test]
fn a_dump_is_printed_and_what_cannot_be_read_is_named() {
    let answer = phalanx(&["journal", "-"], DUMP);
    let expect = [
        "Sealed by pod-a in epoch 3.".to_owned(),
        String::new(),
        "GANG       STATE         DOMAIN   POD       NODE   CONFIGMAP".to_owned(),
        "ml/llama   being bound   rack-7   llama-0   n-1    phalanx-journal-0".to_owned(),
        format!("{}llama-1   n-2", " ".repeat(34)),
        String::new(),
        "LEFT ALONE".to_owned(),
        "ConfigMap phalanx-journal-0: entry g1 is malformed in the number of entries: it is left alone; remove the key from \
         the data"
            .to_owned(),
        "ConfigMap phalanx-journal-0: entry g2 is of the kind plan7, which this version does not know: it is kept and not \
         acted on; run the version of Phalanx that wrote it, or remove the key from the data"
            .to_owned(),
    ];
    assert_eq!(answer.out.lines().collect::<Vec<_>>(), expect, "{}", answer.err);
    assert_eq!(answer.code, 1, "not all of it can be read");
    let answer = phalanx(&["journal", "-", "-o", "json"], DUMP);
    let value: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(value["objects"][0]["gangs"][0]["pods"][1]["node"], "n-2");
    assert_eq!(value["objects"][0]["leftAlone"].as_array().map(Vec::len), Some(2));
}

#[test]
fn nothing_promised_is_said() {
    let empty = "{apiVersion: v1, kind: ConfigMap, metadata: {name: phalanx-journal-0}, data: {journal: v1;3;17;pod-a}}";
    let answer = phalanx(&["journal", "-"], empty);
    assert_eq!((answer.code, answer.out.lines().last()), (0, Some("Nothing is promised at the moment.")));
}
