//! State that outlives the service: written by one run, read and changed by the next.

use std::error::Error;
use std::path::Path;

use sessile::{Principal, SessionService};

// Shown in README.md, word for word: a test compares the two.
async fn shop(folder: &Path) -> Result<i64, Box<dyn Error>> {
    // Restores what the folder holds; from here on snapshots go there.
    let service = SessionService::builder().snapshots(folder).start().await?;

    // The owner is the only road to sessions: here a verified caller, issuer and subject.
    let alice = service.owner(&Principal::new("https://id.example", "alice"));
    let (cart, _created) = alice.get_or_create("groceries").await?;

    // One turn of the session's mailbox: atomic, and rolled back on an error or a panic.
    let apples = cart.increment("apples", 3).await?;
    cart.update(|draft| draft.set("note", "the red ones")).await?;

    // Runs what was accepted, writes a last snapshot, stops.
    service.drain().await?;
    Ok(apples.value)
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    assert_eq!(shop(folder.path()).await?, 3);
    assert_eq!(shop(folder.path()).await?, 6, "the second service goes on where the first one stopped");
    Ok(())
}
