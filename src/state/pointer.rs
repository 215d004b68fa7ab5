//! The operations of a JSON patch (RFC 6902) on values opened only where a pointer leads.
//!
//! The crate `json-patch` reads patches and pointers; its own application goes through a whole tree of values, where
//! large integers lose digits, 1 and 1.0 differ, and a few copies of copies fill the memory.

use json_patch::jsonptr::{Pointer, Token};
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::metadata::at_most;
use super::node::Node;
use super::value::{Json, depth_exceeded};
use crate::config::MAX_DEPTH;
use crate::error::{DraftError, Limit};

/// Whether an operation names the whole state.
pub(super) fn reaches_root(patch: &Patch) -> bool {
    pointers(patch).any(Pointer::is_root)
}

/// The keys that the operations name, as often as they do.
pub(super) fn first_tokens(patch: &Patch) -> Vec<String> {
    pointers(patch).filter_map(|pointer| Some(pointer.first()?.decoded().into_owned())).collect()
}

/// Applies the operations in order. After an error the root is half changed, to be thrown away by the caller; copies
/// may come to `copy_bytes` in all, since each can double what is there.
pub(super) fn apply(root: &mut Node, patch: &Patch, copy_bytes: u64) -> Result<(), DraftError> {
    let mut copied = 0;
    for (index, operation) in patch.iter().enumerate() {
        let outcome = match operation {
            PatchOperation::Add(op) => add(root, &op.path, Node::from(&Json::of(&op.value)?)),
            PatchOperation::Remove(op) => remove(root, &op.path).map(drop),
            PatchOperation::Replace(op) => replace(root, &op.path, Node::from(&Json::of(&op.value)?)),
            PatchOperation::Move(op) => relocate(root, &op.from, &op.path),
            PatchOperation::Copy(op) => match find(root, &op.from) {
                Ok(node) => {
                    copied += node.measure().0;
                    at_most(Limit::SessionBytes, copy_bytes, copied)?;
                    let node = node.clone();
                    add(root, &op.path, node)
                }
                Err(why) => Err(why),
            },
            PatchOperation::Test(op) => test(root, &op.path, &op.value),
        };
        outcome.map_err(|why| match why {
            Failure::Depth(depth) => depth_exceeded(depth),
            Failure::Because(why) => DraftError::Patch(format!("operation {index} at \"{}\": {why}", operation.path())),
        })?;
    }
    Ok(())
}

enum Failure {
    Because(&'static str),
    Depth(u64),
}

const NOT_THERE: Failure = Failure::Because("there is nothing at this path");
const NO_PARENT: Failure = Failure::Because("there is no object or array that this path could be a part of");
const BAD_INDEX: Failure = Failure::Because("this is no index into the array");

fn pointers(patch: &Patch) -> impl Iterator<Item = &Pointer> {
    patch.iter().flat_map(|operation| {
        let from = match operation {
            PatchOperation::Move(op) => Some(&*op.from),
            PatchOperation::Copy(op) => Some(&*op.from),
            _ => None,
        };
        [Some(operation.path()), from].into_iter().flatten()
    })
}

fn find<'a>(root: &'a mut Node, path: &Pointer) -> Result<&'a mut Node, Failure> {
    path.tokens().try_fold(root, |node, token| match node.open() {
        Node::Object(members) => members.get_mut(&token.decoded()).ok_or(NOT_THERE),
        Node::Array(items) => {
            let index = existing(&token, items.len())?;
            items.get_mut(index).ok_or(NOT_THERE)
        }
        Node::Text(_) => Err(NOT_THERE),
    })
}

fn add(root: &mut Node, path: &Pointer, node: Node) -> Result<(), Failure> {
    bound(path, &node)?;
    let Some((parent, last)) = path.split_back() else {
        *root = node;
        return Ok(());
    };
    match find(root, parent).map_err(|_| NO_PARENT)?.open() {
        Node::Object(members) => members.insert(&last.decoded(), node),
        Node::Array(items) => {
            let index = last.to_index().ok().and_then(|index| index.for_len_incl(items.len()).ok());
            items.insert(index.ok_or(BAD_INDEX)?, node);
        }
        Node::Text(_) => return Err(NO_PARENT),
    }
    Ok(())
}

/// Bounds the depth of what is opened, and with it every recursion over it. The root stands above the values.
fn bound(path: &Pointer, node: &Node) -> Result<(), Failure> {
    let depth = path.count() as u64 + node.measure().1;
    if depth > MAX_DEPTH + 1 { Err(Failure::Depth(depth - 1)) } else { Ok(()) }
}

fn remove(root: &mut Node, path: &Pointer) -> Result<Node, Failure> {
    let Some((parent, last)) = path.split_back() else {
        return Err(Failure::Because("the whole state cannot be removed"));
    };
    match find(root, parent)?.open() {
        Node::Object(members) => members.remove(&last.decoded()).ok_or(NOT_THERE),
        Node::Array(items) => {
            let index = existing(&last, items.len())?;
            Ok(items.remove(index))
        }
        Node::Text(_) => Err(NOT_THERE),
    }
}

fn replace(root: &mut Node, path: &Pointer, node: Node) -> Result<(), Failure> {
    bound(path, &node)?;
    *find(root, path)? = node;
    Ok(())
}

fn relocate(root: &mut Node, from: &Pointer, path: &Pointer) -> Result<(), Failure> {
    if from == path {
        return find(root, from).map(drop);
    }
    if path.starts_with(from) {
        return Err(Failure::Because("a value cannot be moved into itself"));
    }
    let node = remove(root, from)?;
    add(root, path, node)
}

fn test(root: &mut Node, path: &Pointer, expected: &Value) -> Result<(), Failure> {
    let found: Value = serde_json::from_str(&find(root, path)?.text()).map_err(|_| NOT_THERE)?;
    if equal(&found, expected) { Ok(()) } else { Err(Failure::Because("the value is not the one tested for")) }
}

fn existing(token: &Token<'_>, len: usize) -> Result<usize, Failure> {
    token.to_index().ok().and_then(|index| index.for_len(len).ok()).ok_or(BAD_INDEX)
}

/// RFC 6902, section 4.6: numbers are equal when their values are, however they are spelled.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}
