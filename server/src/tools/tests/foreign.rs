//! Arguments of any kind: every tool answers, and the service goes on.

#![allow(clippy::print_stdout, reason = "figures are what this test prints")]

use super::World;
use crate::foreign::{arguments, numbers};

#[tokio::test(start_paused = true)]
async fn tools_answer_whatever_they_are_asked() {
    let world = World::with(|builder| builder.max_sessions_per_owner(20_u64)).await;
    let (alice, mut random) = (world.client("alice"), numbers());
    let owner = world.service.owner(&sessile::Principal::new("test", "alice"));
    let handle = owner.create(Default::default()).await.unwrap().id().as_str().to_owned();
    let handles = [handle, "cart_0123".to_owned()];
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..3_000 {
        for tool in &world.server.shared.tools {
            let names: Vec<_> = tool.input_schema["properties"].as_object().unwrap().keys().cloned().collect();
            let asked = arguments(&names, &handles, &mut random);
            let answer = world.server.run(&tool.name, Some(asked), &alice.call()).await.unwrap();
            if answer.is_error == Some(true) { refused += 1 } else { answered += 1 }
        }
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > 100 && refused > 100);
}
