//! `create_session`.

use std::time::Duration;

use garde::Validate;
use rmcp::model::Tool;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sessile::{CallerOwner, Kind, NewSession, Session};

use super::Lifetimes;
use super::call::Call;
use super::failure::Failure;
use super::schema::{self, Effect, MAX_SECONDS, MAX_TEXT_BYTES};
use super::words;

pub(super) const NAME: &str = "create_session";
/// Kinds that the server itself makes: a session that only looks like one would mislead people and programs.
const RESERVED: [&str; 3] = ["bucket", "global", sessile::mcp::PROTOCOL_KIND];

pub(super) fn tool(lifetimes: &Lifetimes) -> Tool {
    let Lifetimes { idle_timeout, max_lifetime } = *lifetimes;
    let description = format!(
        "Creates a session: state of its own for one piece of work, under a handle. Keep the handle and pass it as \
         `session` to the other tools. A session {}. With a `name` that one of your live sessions has, that session is \
         returned and `created` is false, so the call can be repeated safely; without a name every call makes a new one. \
         Callers without an identity cannot give names.",
        words::lifetime(idle_timeout, max_lifetime),
    );
    let seconds = |own: Option<Duration>, what: &str| {
        let most = own.map_or(MAX_SECONDS, |own| own.as_secs().max(1));
        schema::range(
            1,
            most,
            &format!("{what}, in seconds. Leave it out for {}.", own.map_or("no limit".to_owned(), words::duration)),
        )
    };
    let input = json!({
        "name": {
            "type": "string", "minLength": 1, "maxLength": MAX_TEXT_BYTES,
            "description": "Your own name for the session, to find it again without its handle.",
        },
        "kind": {
            "type": "string", "minLength": 1, "maxLength": 32, "pattern": "^[a-z][a-z0-9-]*$",
            "description": "What it is for, such as `cart` or `plan`: lower-case letters, digits, hyphens. The handle starts with it.",
        },
        "label": { "type": "string", "maxLength": MAX_TEXT_BYTES, "description": "A title for people." },
        "idle_timeout_seconds": seconds(idle_timeout, "Ends the session when nobody has used it for so long"),
        "max_lifetime_seconds": seconds(max_lifetime, "Ends the session so long after its creation"),
    });
    let output = json!({
        "session": schema::text("The handle: pass it as `session`."),
        "created": schema::flag("False when a live session of this name was there and is returned."),
        "kind": schema::text("What it is for."),
        "name": schema::text_or_null("The name it was given."),
        "label": schema::text_or_null("The label it was given."),
        "created_at": schema::text("When it was created, RFC 3339 in UTC."),
        "expires_at": schema::text_or_null("When it ends if nobody uses it before, RFC 3339 in UTC; null for never."),
        "lifetime": schema::text("How long it lives, in words."),
    });
    let answer = ["session", "created", "kind", "name", "label", "created_at", "expires_at", "lifetime"];
    schema::tool(NAME, "Create session", description, Effect::Adds, (input, &[]), (output, &answer))
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(super) struct Arguments {
    #[garde(length(bytes, min = 1, max = MAX_TEXT_BYTES))]
    name: Option<String>,
    #[garde(inner(custom(own_kind)))]
    kind: Option<String>,
    #[garde(length(bytes, max = MAX_TEXT_BYTES))]
    label: Option<String>,
    #[garde(range(min = 1, max = MAX_SECONDS))]
    idle_timeout_seconds: Option<u64>,
    #[garde(range(min = 1, max = MAX_SECONDS))]
    max_lifetime_seconds: Option<u64>,
}

fn own_kind(kind: &str, _: &()) -> garde::Result {
    Kind::new(kind).map_err(garde::Error::new)?;
    if RESERVED.contains(&kind) {
        return Err(garde::Error::new("this kind is the server's own; choose another word"));
    }
    Ok(())
}

#[derive(Serialize)]
pub(super) struct Answer {
    session: String,
    created: bool,
    kind: String,
    name: Option<String>,
    label: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    lifetime: String,
}

pub(super) async fn run(call: &Call, arguments: Arguments, lifetimes: &Lifetimes) -> Result<Answer, Failure> {
    let (idle, max) = (arguments.idle_timeout_seconds, arguments.max_lifetime_seconds);
    let (idle, max) = (idle.map(Duration::from_secs), max.map(Duration::from_secs));
    let named = arguments.name.is_some();
    if named {
        call.identified("sessions have no names", "leave `name` out, and use `label` for a title")?;
    }
    let (session, created) = create(call, new(arguments, idle, max)?, named).await?;
    let info = session.info().map_err(|ended| Failure::ended(ended, call.now))?;
    let lifetime = if created {
        words::lifetime(idle.or(lifetimes.idle_timeout), max.or(lifetimes.max_lifetime))
    } else {
        match info.expires_at {
            Some(at) => format!("as it was created; ends at {} if nobody uses it before", words::rfc3339(at)),
            None => words::lifetime(None, None),
        }
    };
    Ok(Answer {
        session: session.id().as_str().to_owned(),
        created,
        kind: info.kind,
        name: info.name,
        label: info.metadata.label.clone(),
        created_at: words::rfc3339(info.created_at),
        expires_at: info.expires_at.map(words::rfc3339),
        lifetime,
    })
}

fn new(arguments: Arguments, idle: Option<Duration>, max: Option<Duration>) -> Result<NewSession, Failure> {
    let mut new = match &arguments.kind {
        Some(kind) => NewSession::of_kind(kind).map_err(|error| Failure::argument("kind", error))?,
        None => NewSession::default(),
    };
    if let Some(name) = arguments.name {
        new = new.name(name);
    }
    if let Some(label) = arguments.label {
        new = new.label(label);
    }
    if let Some(idle) = idle {
        new = new.idle_timeout(idle);
    }
    if let Some(max) = max {
        new = new.max_lifetime(max);
    }
    Ok(new)
}

async fn create(call: &Call, new: NewSession, named: bool) -> Result<(Session, bool), Failure> {
    let created = match &call.owner {
        CallerOwner::Owner(owner) if named => owner.get_or_create_with(new).await,
        CallerOwner::Owner(owner) => owner.create(new).await.map(|session| (session, true)),
        CallerOwner::Anonymous(owner) => owner.create(new).await.map(|session| (session, true)),
    };
    created.map_err(|error| Failure::create(error, call.now))
}
