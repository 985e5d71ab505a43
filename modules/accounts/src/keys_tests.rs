//! Tokens that must not hold.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use kernel::{Clock, TestClock};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more";

struct Mint {
    keys: TokenKeys,
    clock: Arc<TestClock>,
    user: UserId,
}

impl Mint {
    fn new() -> Self {
        let clock = Arc::new(TestClock::at("2026-03-01T12:00:00Z".parse().unwrap()));
        Self { keys: TokenKeys::new(SECRET, clock.clone()).unwrap(), clock, user: UserId::new() }
    }

    fn pass(&self, role: Role) -> Pass {
        Pass { user_id: self.user, role, version: 0 }
    }

    fn good(&self) -> String {
        self.keys.access_token(&self.pass(Role::Operator), self.clock.now()).unwrap()
    }

    fn header(&self) -> Value {
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": self.keys.kid })
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().timestamp();
        json!({
            "iss": "oms", "aud": "oms-api", "sub": self.user, "jti": AccessTokenId::new(),
            "iat": now, "exp": now + 900, "role": "customer",
        })
    }

    /// A token signed with our very key, whatever it says.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let master: [u8; 32] = Sha256::digest(SECRET).into();
        sign(header, claims, &mac(&master, &[b"oms access token v1"]))
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header();
        header[name] = value;
        self.signed(&header, &self.claims())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.signed(&self.header(), &claims)
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name).unwrap();
        self.signed(&self.header(), &claims)
    }

    #[track_caller]
    fn refuses(&self, why: &str, token: &str) {
        assert_eq!(self.keys.read(token), None, "{why}");
    }
}

fn base64(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn sign(header: &Value, claims: &Value, key: &[u8; 32]) -> String {
    let text = format!("{}.{}", base64(header), base64(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(key, &[text.as_bytes()]));
    format!("{text}.{signature}")
}

#[test]
fn a_good_token_tells_who_and_what() {
    let mint = Mint::new();
    assert_eq!(mint.keys.read(&mint.good()), Some(mint.pass(Role::Operator)));
    // The forger of the other tests makes good tokens too, so what they are refused for is what they say.
    let forged = mint.signed(&mint.header(), &mint.claims());
    assert_eq!(mint.keys.read(&forged), Some(mint.pass(Role::Customer)));
}

#[test]
fn what_we_issue_says_everything_it_should() {
    let mint = Mint::new();
    let token = mint.good();
    let part = |n: usize| -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(n).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "alg": "HS256", "typ": "at+jwt", "kid": mint.keys.kid }));
    let mut claims = part(1);
    assert!(claims["jti"].take().as_str().unwrap().parse::<Uuid>().is_ok());
    let now = mint.clock.now().timestamp();
    assert_eq!(
        claims,
        json!({
            "iss": "oms", "aud": "oms-api", "sub": mint.user, "jti": null,
            "iat": now, "exp": now + 900, "role": "operator", "ver": 0,
        })
    );
}

#[test]
fn s_02_the_algorithm_is_ours_whatever_the_header_says() {
    let mint = Mint::new();
    for algorithm in ["none", "None", "NONE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "", "hs256"] {
        mint.refuses(algorithm, &mint.with_header("alg", json!(algorithm)));
    }
    let unsigned = format!(
        "{}.{}.",
        base64(&json!({ "alg": "none", "typ": "at+jwt", "kid": mint.keys.kid })),
        base64(&mint.claims())
    );
    mint.refuses("alg none without a signature", &unsigned);
    let unsigned = format!("{}.{}.", base64(&mint.header()), base64(&mint.claims()));
    mint.refuses("no signature", &unsigned);
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(mint.keys.kid.clone()), ..Header::new(algorithm) };
        let token = encode(&header, &mint.claims(), &mint.keys.encoding).unwrap();
        mint.refuses("another HMAC with our key, properly signed", &token);
    }
}

#[test]
fn s_02_another_key_type_or_key_id_does_not_hold() {
    let mint = Mint::new();
    mint.refuses("another key", &sign(&mint.header(), &mint.claims(), &[7; 32]));
    mint.refuses("the bare secret as the key", &{
        let key = EncodingKey::from_secret(SECRET);
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(mint.keys.kid.clone()), ..Header::new(ALGORITHM) };
        encode(&header, &mint.claims(), &key).unwrap()
    });
    mint.refuses("the empty key", &{
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(mint.keys.kid.clone()), ..Header::new(ALGORITHM) };
        encode(&header, &mint.claims(), &EncodingKey::from_secret(b"")).unwrap()
    });
    let other = TokenKeys::new(b"another secret of 32 bytes or more", mint.clock.clone()).unwrap();
    mint.refuses("another server's", &other.access_token(&mint.pass(Role::Admin), mint.clock.now()).unwrap());
    for kind in ["JWT", "at+JWT", "rt+jwt", "", "id_token"] {
        mint.refuses(kind, &mint.with_header("typ", json!(kind)));
    }
    for id in ["", "0", "../../etc/passwd", "' OR 1=1 --"] {
        mint.refuses(id, &mint.with_header("kid", json!(id)));
    }
    mint.refuses("no typ", &mint.signed(&json!({ "alg": "HS256", "kid": mint.keys.kid }), &mint.claims()));
    mint.refuses("no kid", &mint.signed(&json!({ "alg": "HS256", "typ": "at+jwt" }), &mint.claims()));
    mint.refuses("a critical extension", &mint.with_header("crit", json!(["exp"])));
    mint.refuses("a key of its own", &{
        let mut header = mint.header();
        header["jwk"] = json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode([7; 32]), "alg": "HS256" });
        sign(&header, &mint.claims(), &[7; 32])
    });
}

#[test]
fn s_02_a_token_holds_for_its_time_only() {
    let mint = Mint::new();
    let now = mint.clock.now().timestamp();
    let token = mint.good();
    mint.clock.advance(TimeDelta::seconds(899));
    assert!(mint.keys.read(&token).is_some());
    mint.clock.advance(TimeDelta::seconds(6));
    mint.refuses("expired", &token);
    mint.clock.advance(TimeDelta::seconds(-905));
    assert!(mint.keys.read(&token).is_some());
    mint.clock.advance(TimeDelta::seconds(-6));
    mint.refuses("issued in the future", &token);
    mint.clock.advance(TimeDelta::seconds(6));
    mint.refuses("expired long ago", &mint.with_claim("exp", json!(now - 3600)));
    mint.refuses("not yet valid", &mint.with_claim("nbf", json!(now + 60)));
    mint.refuses("holds for ever", &mint.with_claim("exp", json!(now + 10_000_000)));
    for odd in [json!("never"), json!(null), json!(-1), json!(1.5), json!(u64::MAX), json!(i64::MIN), json!([now + 9])]
    {
        mint.refuses(&odd.to_string(), &mint.with_claim("exp", odd.clone()));
    }
    for odd in [json!("now"), json!(null), json!(i64::MIN), json!(now + 60)] {
        mint.refuses(&odd.to_string(), &mint.with_claim("iat", odd.clone()));
    }
}

#[test]
fn s_02_a_token_for_or_from_somebody_else_does_not_hold() {
    let mint = Mint::new();
    for issuer in [json!("oms2"), json!(""), json!(null), json!(["oms"]), json!("https://evil.example")] {
        mint.refuses("issuer", &mint.with_claim("iss", issuer));
    }
    for audience in [json!("oms"), json!(""), json!(null), json!(["oms-api", "other"]), json!("other-api")] {
        mint.refuses("audience", &mint.with_claim("aud", audience));
    }
}

#[test]
fn s_02_every_claim_is_needed_and_of_its_type() {
    let mint = Mint::new();
    for claim in ["iss", "aud", "sub", "jti", "iat", "exp", "role"] {
        mint.refuses(claim, &mint.without_claim(claim));
    }
    for subject in [json!("alice"), json!(""), json!(1), json!(null), json!("00000000-0000-0000-0000-00000000000g")] {
        mint.refuses("subject", &mint.with_claim("sub", subject));
    }
    for role in [json!("root"), json!("Admin"), json!(""), json!(null), json!(["admin"])] {
        mint.refuses("role", &mint.with_claim("role", role));
    }
    mint.refuses("token id", &mint.with_claim("jti", json!("1")));
    mint.refuses("claims that are no object", &mint.signed(&mint.header(), &json!([1, 2, 3])));
}

#[test]
fn s_02_a_damaged_token_does_not_hold() {
    let mint = Mint::new();
    let good = mint.good();
    for length in [0, 1, good.len() / 3, good.len() / 2, good.len() - 1] {
        mint.refuses("truncated", &good[..length]);
    }
    for other in [
        format!("{good}."),
        format!("{good}.x"),
        format!(".{good}"),
        good.replace('.', ".."),
        good.replace('.', ""),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\0"),
        format!("Bearer {good}"),
        format!("{good}="),
        "...".to_owned(),
        "..".to_owned(),
        " ".to_owned(),
        "ä.ö.ü".to_owned(),
        "a".repeat(1_000_000),
    ] {
        mint.refuses("damaged", &other);
    }
    // Somebody else's claims under our signature of their own.
    let parts: Vec<&str> = good.split('.').collect();
    let mut claims = mint.claims();
    claims["role"] = json!("admin");
    mint.refuses("changed claims", &format!("{}.{}.{}", parts[0], base64(&claims), parts[2]));
    // Every single changed character of the signature counts, but for the last, which carries two bits.
    for at in 0..parts[2].len() - 1 {
        let mut signature = parts[2].as_bytes().to_vec();
        signature[at] = if signature[at] == b'A' { b'B' } else { b'A' };
        let signature = String::from_utf8(signature).unwrap();
        mint.refuses("changed signature", &format!("{}.{}.{signature}", parts[0], parts[1]));
    }
}

#[test]
fn s_02_tokens_of_other_kinds_are_no_access_tokens() {
    let mint = Mint::new();
    mint.refuses("a refresh token", &BASE64_URL_SAFE_NO_PAD.encode(mint.keys.refresh_mac(&[b"any"])));
    let id = crate::OneTimeTokenId::new();
    for purpose in [crate::one_time::Purpose::VerifyEmail, crate::one_time::Purpose::ResetPassword] {
        mint.refuses("a mailed token", &crate::one_time::token(&mint.keys, purpose, id, mint.user));
    }
    for key in [&mint.keys.one_time, &mint.keys.refresh] {
        mint.refuses("signed with another of our keys", &sign(&mint.header(), &mint.claims(), key));
    }
}

#[test]
fn s_02_a_short_secret_is_refused_and_none_is_printed() {
    let clock = Arc::new(TestClock::at("2026-03-01T12:00:00Z".parse().unwrap()));
    for length in [0, 1, 16, 31] {
        let error = TokenKeys::new(&vec![b'x'; length], clock.clone()).unwrap_err();
        assert!(error.to_string().contains("at least 32"), "{error}");
    }
    let keys = TokenKeys::new(SECRET, clock).unwrap();
    assert_eq!(format!("{keys:?}"), format!("TokenKeys {{ kid: \"{}\", .. }}", keys.kid));
}
