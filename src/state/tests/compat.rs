//! Random patches, ours against the crate `json-patch`.

use serde_json::{Map, Value, json};

use super::*;

#[test]
fn random_patches_agree_with_the_crate() {
    let mut random = Random::new();
    let mut applied = 0;
    for _ in 0..20_000 {
        let base = object(&mut random, 3);
        let operations: Vec<Value> = (0..=random.below(3)).map(|_| operation(&mut random)).collect();
        let patch = Value::Array(operations);
        let mut expected = base.clone();
        // Not `patch`: its undoing of a failed move panics.
        let outcome = json_patch::patch_unsafe(
            &mut expected,
            &serde_json::from_value::<json_patch::Patch>(patch.clone()).unwrap(),
        );
        let mut ours = draft(&holding(&base));
        let changed = ours.json_patch(&patch);
        assert_eq!(
            changed.is_ok(),
            outcome.is_ok() && expected.is_object(),
            "{base} with {patch}: {changed:?} {outcome:?}"
        );
        let expected = if changed.is_ok() { expected } else { base.clone() };
        assert_eq!(whole(&ours), expected, "{base} with {patch}");
        for key in changed.iter().flatten() {
            assert_ne!(expected.get(key), base.get(key), "{base} with {patch}");
        }
        applied += usize::from(changed.is_ok());

        let merge = object(&mut random, 3);
        let (mut expected, mut ours) = (base.clone(), draft(&holding(&base)));
        json_patch::merge(&mut expected, &merge);
        ours.merge_patch(&merge).unwrap();
        assert_eq!(whole(&ours), expected, "{base} merged with {merge}");
    }
    assert!(applied > 500, "{applied}");
}

fn name(random: &mut Random) -> String {
    ["a", "b", "c", "0"][random.below(4)].to_owned()
}

fn object(random: &mut Random, depth: usize) -> Value {
    Value::Object((0..random.below(4)).map(|_| (name(random), value(random, depth))).collect::<Map<_, _>>())
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 4 } else { 8 }) {
        0 => json!(random.below(2)),
        1 => json!("text"),
        2 => Value::Null,
        3 => json!(true),
        4 | 5 => object(random, depth - 1),
        _ => Value::Array((0..random.below(3)).map(|_| value(random, depth - 1)).collect()),
    }
}

fn path(random: &mut Random) -> String {
    let tokens = ["a", "b", "c", "0", "1", "-"];
    (0..random.below(4)).map(|n| format!("/{}", tokens[random.below(if n == 0 { 3 } else { 6 })])).collect()
}

fn operation(random: &mut Random) -> Value {
    let op = ["add", "remove", "replace", "move", "copy", "test"][random.below(6)];
    // The crate refuses to move the root onto itself; nothing speaks against it.
    let from = if op == "move" { format!("/{}", name(random)) } else { path(random) };
    json!({"op": op, "path": path(random), "from": from, "value": value(random, 1)})
}
