//! Key sets, and tokens of the algorithms that most authorization servers sign with. The private key is nowhere.

use http::Request;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::keys::Keys;
use super::*;

/// The modulus of the key that signed the two tokens below.
const MODULUS: &str = "zryhkvmBdojHroex-HhIrwtbyoLImDvXJTEWqGt06__EfpxWfTRK5C0k4WraFy9pohh0hUD0MpiU5svGU1PpJRVNLlXSBZPD\
    ObV2PoZE7HMl6sQIj8D8BnXJPTWF-A-V1l3uYosjLWshU-gqa-vsvQo4VAB1ruCRvD0Jz7495v40Q39PkQarXBH2ng36E01Z\
    IYRdfLhRqzWf9nNsMrtpLEn41v3x3xhm3GpX9wuwlRrRl3MZuR2F4lSQOcUVL-8VrpVYPtI4-tCreolqIupCaD6G_rD3n5f8\
    KLs1fJRizHqzQj8NFd7KZd3qUevTPRB_ixI_l0umQwCJ77OnAtermQ";
/// `{"iss":"https://id.example","sub":"alice","aud":"https://mcp.example/mcp","exp":1000}`
const RS256: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJ\
    zdWIiOiJhbGljZSIsImF1ZCI6Imh0dHBzOi8vbWNwLmV4YW1wbGUvbWNwIiwiZXhwIjoxMDAwfQ.LtpOE7BDH2nFo0sHcBsM\
    HSwnhfxawicbREs_MGTagFFqNOTCXY1zvCEuORfYIYFgHZYm9LkXd0bkWJInmRlP3KyCBR1naCB-z6wssIzXpovOl6N-JLyr\
    XY6X-aVqcMMG9OPuexXAVuT9WBjXnb3jIWFvwFPNc1HfbVBDo35eATdPfMFQD1UdTaO12N5eg765XiT9aJ_8U7UQ8WGAmFKE\
    x3d4_YHO9foVW71LGdI1TK5qjDZkv1bromnd-ykuHIAznvv_23QMYnxc_4KT2sN0wY-pUSVeG8ix9EN-r6Wrhf1JN--uhlfm\
    1k39XckcZYNVd5HN5jxJYVXbpb8DNHZSjA";
/// The same.
const PS256: &str = "eyJhbGciOiJQUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJ\
    zdWIiOiJhbGljZSIsImF1ZCI6Imh0dHBzOi8vbWNwLmV4YW1wbGUvbWNwIiwiZXhwIjoxMDAwfQ.tXH0TRV5Bng6EjktGGwS\
    T_QyH6b9CXS99SKb7b0G_kwKXqkYm-za3qDfAmO5jPjUCGaNjVL3oRJ4P76CFbjxa1v1EiC-ROhos5G3zd5R_O64nlDuf6iU\
    1RAsowxDRtiKL4lNqosv4Bnz7kZyEaPJgOCXeJY87zXItvjibBw2uxUU_ev4WW6LCscvy-vwNNwuzemiMNrTZsncGSJmaqMZ\
    hJFvXuiJSQdMo4zUZ9Gf5hiNW5f76za09Lbqb-zE_rWjIBcFztBUgUlui_oHEpcGUPy6m1UlX19p-cVRYLJs1Yh3f00lX6xN\
    zbA2_X91fkNhR5vhXsZio5IXPSsntJJjEw";

fn rsa() -> Value {
    json!({ "kty": "RSA", "kid": "rsa", "n": MODULUS, "e": "AQAB" })
}

/// A key with something else in it.
fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// What comes of a token at a time, where this key counts.
async fn told(key: Value, token: &str, seconds: u64) -> Result<Caller, Refusal> {
    let clock = Clock::starting_at(Timestamp::from_micros(seconds * 1_000_000));
    let jwt = Jwt::new("https://id.example", "https://mcp.example/mcp", Jwks::new(set(&[key]))).clock(clock);
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}")).body(()).unwrap();
    jwt.caller(&mut request.into_parts().0).await
}

#[tokio::test(start_paused = true)]
async fn rsa_signatures_count_and_the_skew_is_a_minute() {
    let alice = || Ok(Caller::Principal(Principal::new("https://id.example", "alice")));
    for token in [RS256, PS256] {
        assert_eq!(told(rsa(), token, 900).await, alice());
        assert_eq!(told(rsa(), token, 1_059).await, alice());
        assert_eq!(told(rsa(), token, 1_060).await, Err(Refusal::Invalid));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let turned = format!("{signed}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
        assert_eq!(told(rsa(), &turned, 900).await, Err(Refusal::Invalid));
    }
    // A key for one algorithm is a key for no other.
    let only = |algorithm: &str| with(rsa(), "alg", json!(algorithm));
    assert_eq!(told(only("RS256"), RS256, 900).await, alice());
    assert_eq!(told(only("PS256"), RS256, 900).await, Err(Refusal::Invalid));
    assert_eq!(told(only("RS256"), PS256, 900).await, Err(Refusal::Invalid));
    assert_eq!(told(only("HS256"), RS256, 900).await, Err(Refusal::Unavailable));
}

#[test]
fn keys_that_sign_nothing_here_are_passed_over() {
    let ec = |curve: &str| json!({ "kty": "EC", "kid": "ec", "crv": curve, "x": "AA", "y": "AA" });
    let unusable = [
        json!({ "kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0" }),
        json!({ "kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AA" }),
        with(rsa(), "use", json!("enc")),
        with(rsa(), "key_ops", json!(["encrypt"])),
        with(rsa(), "kid", Value::Null),
        with(rsa(), "alg", json!("HS256")),
        with(rsa(), "alg", json!("RSA-OAEP")),
        with(rsa(), "n", json!(&MODULUS[..171])),
        with(rsa(), "n", json!(MODULUS.repeat(2))),
        with(rsa(), "n", json!("*".repeat(342))),
        ec("P-521"),
        ec("secp256k1"),
        json!("no key"),
    ];
    for key in &unusable {
        let alone = Keys::read(set(std::slice::from_ref(key)).as_bytes());
        assert!(matches!(alone, Err(KeysUnusable::Empty)), "{key}");
    }
    let beside: Vec<_> = unusable.into_iter().chain([rsa(), ec("P-256"), with(rsa(), "use", json!("sig"))]).collect();
    assert_eq!(Keys::read(set(&beside).as_bytes()).unwrap().len(), 3);
    for text in ["", "[]", "{}", "null", r#"{"keys":{}}"#] {
        assert!(matches!(Keys::read(text.as_bytes()), Err(KeysUnusable::Format)), "{text}");
    }
    let long = format!("{}{}", set(&[rsa()]), " ".repeat(1 << 20));
    assert!(matches!(Keys::read(long.as_bytes()), Err(KeysUnusable::Format)));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let jwt = Jwt::new("https://id.example", "a", JwksFile::new(&path));
    assert!(matches!(jwt.load().await, Err(KeysUnusable::Read(_))));
    std::fs::write(&path, set(&[rsa()])).unwrap();
    assert_eq!(jwt.load().await.unwrap(), 1);
    std::fs::write(&path, "x".repeat(2 << 20)).unwrap();
    assert!(matches!(jwt.load().await, Err(KeysUnusable::Format)));
}

#[test]
fn nothing_that_is_shown_holds_a_key() {
    let jwt = Jwt::new("https://id.example", "a", Jwks::new(set(&[rsa()])));
    assert!(!format!("{jwt:?}").contains(MODULUS));
}
