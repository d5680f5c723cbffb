//! Any bytes as a record's value: `parse` never panics, and what it accepts serde_json accepts and reads alike. The same
//! fields as serde_json writes them are accepted too.
#![no_main]

use std::sync::LazyLock;

use _kernel::{Agent, Event, Shape, parse};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

const NAMES: [&str; 11] = [
    "event_id",
    "event_type",
    "site_id",
    "article_id",
    "occurred_at",
    "visitor_id",
    "repeat_key",
    "agent_class",
    "value",
    "producer_id",
    "sequence",
];

/// Our own contract.
static OURS: LazyLock<Shape> =
    LazyLock::new(|| Shape::new(&NAMES.map(|name| Some(name.to_owned())), 0b1_1111, true));

fuzz_target!(|bytes: &[u8]| {
    let Some(event) = parse(bytes, &OURS) else { return };
    let mut read: Map<String, Value> = serde_json::from_slice(bytes).expect("the kernel takes it, so it is JSON");
    compare(&event, &read);
    read.retain(|name, _| NAMES.contains(&name.as_str()));
    let written = serde_json::to_vec(&read).expect("it was read");
    compare(&parse(&written, &OURS).expect("the same fields, written plainly"), &read);
});

fn compare(event: &Event, read: &Map<String, Value>) {
    let text = |name: &str| match read.get(name) {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().unwrap_or_else(|| panic!("{name} is no text")).as_bytes()),
    };
    let integer = |name: &str| match read.get(name) {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_i64().unwrap_or_else(|| panic!("{name} is no integer"))),
    };
    assert_eq!(Some(&*event.event_id), text("event_id"));
    assert_eq!(Some(&*event.event_type), text("event_type"));
    assert_eq!(Some(&*event.site), text("site_id"));
    assert_eq!(Some(&*event.article), text("article_id"));
    assert_eq!(Some(event.occurred_ms), integer("occurred_at"));
    assert_eq!(event.visitor.as_deref(), text("visitor_id"));
    assert_eq!(event.repeat_key.as_deref(), text("repeat_key"));
    assert_eq!(event.producer.as_deref(), text("producer_id"));
    assert_eq!(event.sequence, integer("sequence"));
    // These two have a default instead of null.
    assert_ne!(read.get("value"), Some(&Value::Null));
    assert_eq!(event.value, integer("value").unwrap_or(1));
    assert_ne!(read.get("agent_class"), Some(&Value::Null));
    let agent = match text("agent_class") {
        None | Some(b"person" | b"unknown") => Agent::Other,
        Some(b"bot") => Agent::Bot,
        Some(b"internal") => Agent::Internal,
        Some(other) => panic!("there is no agent_class {other:?}"),
    };
    assert!(event.agent == agent);
}
