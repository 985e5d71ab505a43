//! How the gateway misbehaves on purpose: the table of modes, and the dice.
//!
//! A mode goes wrong in so many of a hundred cases, for the whole gateway or for one payment. Both are stored, so that a
//! gateway that was killed goes on as it was.

use std::{collections::BTreeMap, time::Duration};

use futures_util::stream;
use kernel::{Currency, Problem, problem::INTERNAL};
use poem::{Body, Response, http::StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Gateway,
    error::GatewayError,
    payment::{Payment, PaymentId},
    store,
};

/// The answer comes this late, in milliseconds: in part beyond the merchant's deadline.
const SLOW_MS: std::ops::RangeInclusive<u64> = 5_000..=12_000;
/// How long an answer waits for the webhook that is to go first.
const WEBHOOK_FIRST: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What the merchant gets to do something about a webhook before the answer comes.
const HEAD_START: Duration = Duration::from_millis(250);

macro_rules! modes {
    ($($(#[$doc:meta])* $variant:ident => $name:literal),+ $(,)?) => {
        /// One way to misbehave.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ChaosMode { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl ChaosMode {
            /// Every mode.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

modes! {
    /// A webhook is sent two or three times.
    Duplicate => "duplicate",
    /// A webhook comes some seconds late.
    Delay => "delay",
    /// A later event's webhook goes first.
    Reorder => "reorder",
    /// A webhook is never sent.
    Drop => "drop",
    /// Another amount is charged than was asked for.
    WrongAmount => "wrong_amount",
    /// Another currency is charged than was asked for.
    WrongCurrency => "wrong_currency",
    /// Somebody who does not know the secret sends a webhook before the true one.
    BadSignature => "bad_signature",
    /// A webhook that is ten minutes old comes before the true one.
    StaleTimestamp => "stale_timestamp",
    /// The webhook comes before the answer to the call that caused it.
    WebhookFirst => "webhook_first",
    /// A call is carried out, and the connection breaks before the answer.
    ChargeThenDrop => "charge_then_drop",
    /// A call is answered 500 and not carried out.
    Error500 => "error_500",
    /// A call is carried out and answered 5 to 12 seconds later.
    Slow => "slow",
    /// Captures, refunds and voids are declined; asked again with the same key, again.
    Decline => "decline",
}

/// What goes wrong with a webhook: decided once for each.
pub(crate) const OF_WEBHOOKS: &[ChaosMode] = &[
    ChaosMode::Duplicate,
    ChaosMode::Delay,
    ChaosMode::Reorder,
    ChaosMode::Drop,
    ChaosMode::BadSignature,
    ChaosMode::StaleTimestamp,
];

/// From 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8")]
struct Percent(u8);

impl TryFrom<u8> for Percent {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if number <= 100 { Ok(Self(number)) } else { Err("a percentage is from 0 to 100") }
    }
}

/// In how many of a hundred cases what goes wrong. Nothing when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Chaos(BTreeMap<ChaosMode, Percent>);

impl Chaos {
    /// Always this, and nothing else.
    pub(crate) fn always(mode: ChaosMode) -> Self {
        Self(BTreeMap::from([(mode, Percent(100))]))
    }

    fn percent(&self, mode: ChaosMode) -> u8 {
        self.0.get(&mode).map_or(0, |percent| percent.0)
    }

    /// Throws the dice.
    pub(crate) fn hits(&self, mode: ChaosMode) -> bool {
        self.percent(mode) > rand::random_range(0..100)
    }

    /// The same throw every time for the same `key`: a bank that declined does not think again.
    pub(crate) fn hits_again(&self, mode: ChaosMode, key: &str) -> bool {
        let digest = Sha256::new().chain_update(mode.as_str()).chain_update(".").chain_update(key).finalize();
        let throw = digest.iter().fold(0_u16, |throw, byte| (throw * 256 + u16::from(*byte)) % 100);
        u16::from(self.percent(mode)) > throw
    }

    /// What goes wrong with a new webhook.
    pub(crate) fn of_webhook(&self) -> Vec<ChaosMode> {
        OF_WEBHOOKS.iter().copied().filter(|mode| self.hits(*mode)).collect()
    }

    /// What is taken instead of `minor` of the payment: mostly just that. An authorised payment holds no more than that.
    pub(crate) fn charged(&self, payment: &Payment, minor: i64) -> (i64, Option<Currency>) {
        let amount = if self.hits(ChaosMode::WrongAmount) {
            let tenth = (minor / 10).max(1);
            let is_more = payment.authorized_at.is_none() && rand::random();
            match minor {
                _ if is_more => minor + tenth,
                1 => minor,
                _ => minor - tenth,
            }
        } else {
            minor
        };
        let currency = self
            .hits(ChaosMode::WrongCurrency)
            .then(|| if payment.currency == Currency::USD { Currency::VND } else { Currency::USD });
        (amount, currency)
    }
}

/// Carries a call of the merchant out as the dice say: not at all, late, after its webhook, or without an answer.
pub(crate) async fn carry_out(
    gateway: &Gateway,
    payment: Option<PaymentId>,
    call: impl Future<Output = Result<Response, Problem>> + Send,
) -> Result<Response, Problem> {
    let chaos = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, GatewayError>(store::chaos_of(&mut conn, payment).await?)
    };
    let chaos = chaos.await.map_err(Problem::from)?;
    if chaos.hits(ChaosMode::Error500) {
        return Err(INTERNAL.problem("The gateway has a bad day, on purpose. Nothing was done."));
    }
    let answer = call.await?;
    if let Some(id) = payment
        && chaos.hits(ChaosMode::WebhookFirst)
    {
        wait_for_webhooks(gateway, id).await;
    }
    if chaos.hits(ChaosMode::Slow) {
        tokio::time::sleep(Duration::from_millis(rand::random_range(SLOW_MS))).await;
    }
    if chaos.hits(ChaosMode::ChargeThenDrop) {
        tracing::info!("a connection breaks on purpose");
        return Ok(broken());
    }
    Ok(answer)
}

/// An answer that breaks the connection instead of being read to its end.
fn broken() -> Response {
    let breaks = stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("broken on purpose")) });
    Response::builder().status(StatusCode::OK).body(Body::from_bytes_stream(breaks))
}

/// Until what there is to tell about the payment was told, and for some seconds at most.
async fn wait_for_webhooks(gateway: &Gateway, id: PaymentId) {
    let told = async {
        loop {
            let waiting = match gateway.pool.get().await {
                Ok(mut conn) => store::is_delivery_waiting(&mut conn, id).await.unwrap_or(true),
                Err(_busy) => true,
            };
            if !waiting {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(WEBHOOK_FIRST, told).await.is_ok() {
        tokio::time::sleep(HEAD_START).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chaos(text: &str) -> Result<Chaos, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn modes_are_read_and_written_by_their_names() {
        for &mode in ChaosMode::ALL {
            let text = format!("{{\"{}\":100}}", mode.as_str());
            let read = chaos(&text).unwrap();
            assert_eq!((&read, serde_json::to_string(&read).unwrap()), (&Chaos::always(mode), text));
            assert!(read.hits(mode) && read.hits_again(mode, "key"));
        }
        assert_eq!(ChaosMode::ALL.len(), 13);
        for bad in [r#"{"daydream": 1}"#, r#"{"drop": 101}"#, r#"{"drop": -1}"#, r#"{"drop": "1"}"#, "[]"] {
            assert!(chaos(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_dice_keep_to_the_percentage_and_remember_a_key() {
        let chaos = chaos(r#"{"drop": 30, "decline": 30}"#).unwrap();
        let thrown = (0..10_000).filter(|_| chaos.hits(ChaosMode::Drop)).count();
        assert!((2_700..3_300).contains(&thrown), "{thrown}");
        let keys: Vec<_> = (0..10_000).map(|number| format!("key-{number}")).collect();
        let first: Vec<_> = keys.iter().map(|key| chaos.hits_again(ChaosMode::Decline, key)).collect();
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
        assert!(keys.iter().zip(first).all(|(key, hit)| chaos.hits_again(ChaosMode::Decline, key) == hit));
        assert!(!Chaos::default().hits(ChaosMode::Drop) && !Chaos::default().hits_again(ChaosMode::Decline, "key"));
    }
}
