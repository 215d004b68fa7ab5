//! Creating and listing: of many that race for one id or name, one wins.

use crate::common::{Hand, alice, bob, secs};
use sessile::{CreateError, Cursor, CursorError, ListQuery, NewSession, Owner, Page, SessionService};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_creates_of_one_id_one_wins() {
    let service = SessionService::builder().start().await.unwrap();
    for round in 0..300 {
        let racers: Vec<_> = (0..64)
            .map(|_| {
                let owner = service.owner(&alice());
                tokio::spawn(async move { owner.create_with_id(&format!("id-{round}"), NewSession::default()).await })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(session) => won.push(session),
                Err(error) => assert_eq!(error, CreateError::AlreadyExists),
            }
        }
        assert_eq!(won.len(), 1);
        won[0].set("n", &round).await.unwrap();
        assert_eq!(
            service.owner(&alice()).open(won[0].id().as_str()).await.unwrap().get::<u32>("n").unwrap(),
            Some(round)
        );
    }
    assert_eq!(service.operator().stats().sessions, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_get_or_creates_one_creates_and_all_get_the_same() {
    let service = SessionService::builder().start().await.unwrap();
    for round in 0..300 {
        let racers: Vec<_> = (0..64)
            .map(|racer| {
                let owner = service.owner(&alice());
                tokio::spawn(async move {
                    let (session, created) = if racer % 2 == 0 {
                        owner.get_or_create(&format!("name-{round}")).await.unwrap()
                    } else {
                        (owner.bucket().await.unwrap(), false)
                    };
                    session.increment("n", 1).await.unwrap();
                    (session, created)
                })
            })
            .collect();
        let mut found = Vec::new();
        for racer in racers {
            found.push(racer.await.unwrap());
        }
        assert_eq!(found.iter().filter(|(_, created)| *created).count(), 1);
        for (session, _) in &found {
            assert_eq!(session.id(), found[usize::from(session.name().is_none())].0.id());
        }
        assert_eq!(found[0].0.get::<u32>("n").unwrap(), Some(32));
        // With the bucket closed in between, each incarnation is one as well.
        found[1].0.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn creates_that_race_a_close_leave_no_session_without_an_owner() {
    let service = SessionService::builder().start().await.unwrap();
    let owner = service.owner(&alice());
    for _ in 0..300 {
        let racers: Vec<_> = (0..16)
            .map(|racer| {
                let owner = owner.clone();
                tokio::spawn(async move {
                    let (session, _) = owner.get_or_create("name").await.unwrap();
                    if racer % 2 == 0 {
                        session.close().await.unwrap();
                    }
                })
            })
            .collect();
        for racer in racers {
            racer.await.unwrap();
        }
        let listed = owner.list(&ListQuery::default()).await.unwrap().sessions.len() as u64;
        assert!(listed <= 1);
        assert_eq!(service.operator().stats().sessions, listed);
    }
}

#[tokio::test]
async fn a_name_is_one_live_sessions_at_a_time() {
    let service = SessionService::builder().start().await.unwrap();
    let owner = service.owner(&alice());
    let named = || NewSession::of_kind("cart").unwrap().name("groceries");
    let first = owner.create(named()).await.unwrap();
    assert_eq!(owner.create(named()).await.unwrap_err(), CreateError::AlreadyExists);
    let (again, created) = owner.get_or_create("groceries").await.unwrap();
    assert!(!created && again.id() == first.id() && again.kind() == "cart");
    first.close().await.unwrap();
    let (next, created) = owner.get_or_create("groceries").await.unwrap();
    assert!(created && next.id() != first.id());
    for wrong in ["", "a\nb", &"x".repeat(257)] {
        assert!(matches!(owner.get_or_create(wrong).await, Err(CreateError::Id(_))));
    }
}

async fn many(owner: &Owner, hand: &Hand, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let kind = if number % 2 == 0 { "even" } else { "odd" };
        let mut metadata = sessile::Metadata::default();
        metadata.tags.insert(format!("t{}", number % 3));
        let session = owner.create(NewSession::of_kind(kind).unwrap().metadata(metadata)).await.unwrap();
        ids.push(session.id().as_str().to_owned());
        // Some are made within one tick of the clock.
        if number % 4 != 0 {
            hand.advance(secs(1));
        }
    }
    ids
}

async fn pages(owner: &Owner, query: ListQuery, limit: usize) -> Vec<String> {
    paged(async |query| owner.list(&query).await.unwrap(), query, limit).await
}

async fn paged(list: impl AsyncFn(ListQuery) -> Page, query: ListQuery, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let mut query = query.clone().limit(limit);
        if let Some(cursor) = cursor {
            // It survives being written down.
            query = query.cursor(cursor.to_string().parse().unwrap());
        }
        let page = list(query).await;
        assert!(page.sessions.len() <= limit);
        assert!(page.next.is_none() || page.sessions.len() == limit, "filter first, limit then");
        ids.extend(page.sessions.iter().map(|info| info.id.as_ref().unwrap().as_str().to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn a_list_is_newest_first_filtered_and_paged() {
    let hand = Hand::new();
    let service = SessionService::builder().clock(hand.clock()).idle_timeout(None).start().await.unwrap();
    let owner = service.owner(&alice());
    service.owner(&bob()).create(NewSession::default()).await.unwrap();
    owner.bucket().await.unwrap();
    let start = hand.now();
    let ids = many(&owner, &hand, 25).await;
    let listed = owner.list(&ListQuery::default()).await.unwrap();
    assert!(listed.next.is_none());
    assert!(listed.sessions.is_sorted_by(|one, next| one.created_at >= next.created_at));
    let mut found: Vec<_> = listed.sessions.iter().map(|info| info.id.as_ref().unwrap().as_str().to_owned()).collect();
    for limit in [1, 2, 7, 24, 25, 26, 1_000] {
        assert_eq!(pages(&owner, ListQuery::default(), limit).await, found);
    }
    found.sort();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(found, sorted, "all of this owner's, nobody else's, no bucket");
    assert_eq!(pages(&owner, ListQuery::default().kind("odd"), 5).await.len(), 12);
    assert_eq!(pages(&owner, ListQuery::default().kind("odd").tag("t0"), 3).await.len(), 4);
    let (after, before) = (start.after(secs(3)), start.after(secs(9)));
    for info in owner.list(&ListQuery::default().created_after(after).created_before(before)).await.unwrap().sessions {
        assert!(info.created_at > after && info.created_at < before);
    }
    hand.advance(secs(60));
    let used = hand.now();
    owner.open(&ids[3]).await.unwrap();
    assert_eq!(pages(&owner, ListQuery::default().active_since(used), 9).await, [ids[3].clone()]);
    let operators = service.operator().list(&ListQuery::default().limit(1_000)).await.unwrap();
    assert_eq!(operators.sessions.len(), 26);
    let all: Vec<_> = operators.sessions.iter().map(|info| info.id.as_ref().unwrap().as_str().to_owned()).collect();
    for limit in [1, 5, 25, 26, 27] {
        let list = async |query| service.operator().list(&query).await.unwrap();
        assert_eq!(paged(list, ListQuery::default(), limit).await, all);
    }
}

#[tokio::test]
async fn a_cursor_survives_deletions() {
    let hand = Hand::new();
    let service = SessionService::builder().clock(hand.clock()).start().await.unwrap();
    let owner = service.owner(&alice());
    many(&owner, &hand, 12).await;
    let all = pages(&owner, ListQuery::default(), 100).await;
    let page = owner.list(&ListQuery::default().limit(4)).await.unwrap();
    // The one the cursor stands on goes, and the one after it.
    for gone in &all[3..5] {
        owner.open(gone).await.unwrap().close().await.unwrap();
    }
    many(&owner, &hand, 2).await;
    let rest = owner.list(&ListQuery::default().cursor(page.next.unwrap())).await.unwrap();
    let rest: Vec<_> = rest.sessions.iter().map(|info| info.id.as_ref().unwrap().as_str()).collect();
    assert_eq!(rest, all[5..]);
    for wrong in ["", "x", &"0".repeat(47), &"g".repeat(48), &"\u{e4}".repeat(24)] {
        assert_eq!(wrong.parse::<Cursor>().unwrap_err(), CursorError::Invalid);
    }
    for limit in [0, 1_001] {
        assert_eq!(owner.list(&ListQuery::default().limit(limit)).await.unwrap_err(), CursorError::Limit);
    }
}

#[tokio::test]
async fn close_all_closes_an_owners_sessions_and_no_others() {
    let service = SessionService::builder().start().await.unwrap();
    let (alice, bob) = (service.owner(&alice()), service.owner(&bob()));
    for _ in 0..5 {
        alice.create(NewSession::default()).await.unwrap();
    }
    let bucket = alice.bucket().await.unwrap();
    let other = bob.create(NewSession::default()).await.unwrap();
    assert_eq!(alice.close_all().await.unwrap(), 6);
    assert_eq!(alice.close_all().await.unwrap(), 0);
    assert!(bucket.read().is_err() && other.read().is_ok());
    assert!(alice.list(&ListQuery::default()).await.unwrap().sessions.is_empty());
    assert_eq!(service.operator().stats().sessions, 1);
}
