//! Asking the gateways about payments that nobody heard of for a while, and settling what they say.
//!
//! The gateway is asked between transactions. What it says goes the way of webhooks; what it has not done although we asked
//! is asked for again under the same key. Two that do this at once harm nobody: the second finds everything done.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use diesel_async::AsyncConnection;
use futures_util::{StreamExt, stream};
use kernel::{PgConn, db::retrying};
use payments::{Applied, Attempt, AttemptId, CaptureOutcome, Due, RefundOutcome, Standing, Unsettled, VoidOutcome};

use crate::{
    Orders,
    error::OrderError,
    settle::{self, GatewaySays, Heard},
    store,
};

/// How many attempts are read at once.
const PAGE: i64 = 200;
/// How many are asked about at once.
const AT_ONCE: usize = 4;
/// After so many calls without an answer the gateway is away, and the others wait for the next time.
const SILENT: usize = 8;

/// How much is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What was quiet for a while, as far as this long suffices.
    Quiet(TimeDelta, Duration),
    /// Everything that is not settled.
    All,
}

/// What was found out.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// How many attempts were asked about.
    pub asked: usize,
    /// What changed, and of which attempt.
    pub settled: Vec<(AttemptId, Applied)>,
    /// What could not be settled, and why.
    pub failed: Vec<(AttemptId, String)>,
}

/// Asks about whatever is in `scope` and settles it.
///
/// # Errors
/// What the database said before anything was asked. Whatever goes wrong with one attempt is in the answer.
pub async fn reconcile(orders: &Orders, scope: Scope) -> Result<Reconciled, OrderError> {
    let gateways: BTreeSet<&String> =
        orders.gateways.iter().filter(|(_, gateway)| gateway.keeps_book()).map(|(name, _)| name).collect();
    let (grace, until) = match scope {
        Scope::Quiet(grace, budget) => (Some(grace), Instant::now().checked_add(budget)),
        Scope::All => (None, None),
    };
    let mut due = Due { gateways: gateways.into_iter().cloned().collect(), grace, after: None, limit: PAGE };
    let (mut found, mut silent) = (Reconciled::default(), 0);
    loop {
        let page = payments::unsettled(&mut *orders.pool.get().await?, &due, orders.clock.now()).await?;
        let Some(last) = page.last() else { return Ok(found) };
        if scope == Scope::All {
            due.after = Some(last.id);
        }
        let mut answers = stream::iter(page)
            .map(|asked| async move {
                let outcome = settle_one(orders, &asked).await;
                (asked.id, outcome)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((id, outcome)) = answers.next().await {
            found.asked += 1;
            let Learnt { changes, failure } = outcome;
            found.settled.extend(changes.into_iter().map(|change| (id, change)));
            if let Some(error) = failure {
                tracing::warn!(attempt.id = %id, error = %error, "a payment cannot be reconciled");
                silent += usize::from(matches!(error, OrderError::GatewaySilent(_)));
                found.failed.push((id, error.to_string()));
            }
            if silent >= SILENT || until.is_some_and(|until| Instant::now() > until) {
                return Ok(found);
            }
        }
    }
}

/// What was learnt of one attempt, as far as it went.
#[derive(Default)]
struct Learnt {
    changes: Vec<Applied>,
    failure: Option<OrderError>,
}

/// Asks about one attempt and settles what is said; then asks again for what was asked before and has not happened.
async fn settle_one(orders: &Orders, asked: &Unsettled) -> Learnt {
    let mut learnt = Learnt::default();
    let outcome = async {
        learnt.changes = ask(orders, asked).await?;
        ask_again(orders, asked, &mut learnt.changes).await
    }
    .await;
    if let Err(error) = outcome {
        // The others come first now, whatever it is that cannot be settled here.
        let noted = async {
            let mut conn = orders.pool.get().await?;
            Ok::<_, OrderError>(payments::note_asked(&mut conn, asked.id, orders.clock.now()).await?)
        };
        if let Err(error) = noted.await {
            tracing::debug!(attempt.id = %asked.id, error = %error, "it was not noted that it was asked about");
        }
        learnt.failure = Some(error);
    }
    for change in &learnt.changes {
        tracing::info!(attempt.id = %asked.id, order.id = %asked.order_id, change = %change, "reconciled with the gateway");
    }
    if !learnt.changes.is_empty() {
        kernel::job::announce();
    }
    learnt
}

/// Asks about one attempt and settles what is said.
async fn ask(orders: &Orders, asked: &Unsettled) -> Result<Vec<Applied>, OrderError> {
    let gateway = settle::gateway(orders, &asked.gateway)?;
    let found = gateway.find_payment(asked.id).await.map_err(|error| OrderError::GatewaySilent(error.to_string()))?;
    retrying(|| async {
        let mut conn = orders.pool.get().await?;
        learn(&mut conn, orders, asked, found.as_ref()).await
    })
    .await
}

async fn learn(
    conn: &mut PgConn,
    orders: &Orders,
    asked: &Unsettled,
    found: Option<&Standing>,
) -> Result<Vec<Applied>, OrderError> {
    let now = orders.clock.now();
    conn.transaction(async |conn| {
        let locked = store::lock(conn, asked.order_id).await?;
        let changes = payments::reconcile(conn, asked, found, now).await?;
        if locked.is_some() {
            for change in &changes {
                // Read again each time: the change before may have moved the order.
                if let Some(order) = store::lock(conn, asked.order_id).await? {
                    settle::money_moved(conn, order, change, Heard::ByAsking, now).await?;
                }
            }
        }
        Ok(changes)
    })
    .await
}

/// A capture, a release or a refund that is under way and that the gateway has not made is asked for again, under its key;
/// what that changes is added to `changes`.
async fn ask_again(orders: &Orders, asked: &Unsettled, changes: &mut Vec<Applied>) -> Result<(), OrderError> {
    let (attempt, refunds) = {
        let mut conn = orders.pool.get().await?;
        let Some(attempt) = payments::load_attempt(&mut conn, asked.id).await? else { return Ok(()) };
        let refunds = payments::open_refunds(&mut conn, &attempt).await?;
        (attempt, refunds)
    };
    let gateway = settle::gateway(orders, &attempt.gateway)?;
    let mut wanted = Vec::new();
    if let Some(says) = again(gateway.as_ref(), &attempt).await {
        wanted.push(says);
    }
    for refund in refunds {
        wanted.push(GatewaySays::Refund(refund.id, payments::send_refund(gateway.as_ref(), &refund).await));
    }
    for says in wanted {
        let silence = says.silence();
        let change = settle::write_down(orders, asked.order_id, &says, None).await?;
        if let Some(why) = silence {
            return Err(OrderError::GatewaySilent(why));
        }
        changes.extend(Some(change).filter(settle::is_change));
    }
    Ok(())
}

async fn again(gateway: &dyn payments::Gateway, attempt: &Attempt) -> Option<GatewaySays> {
    if attempt.capturing_minor > 0 {
        Some(GatewaySays::Capture(attempt.id, payments::send_capture(gateway, attempt).await))
    } else if attempt.voiding {
        Some(GatewaySays::Void(attempt.id, payments::send_void(gateway, attempt).await))
    } else {
        None
    }
}

impl GatewaySays {
    /// Why there was no answer, when there was none.
    fn silence(&self) -> Option<String> {
        match self {
            Self::Refund(_, RefundOutcome::NoAnswer { why })
            | Self::Capture(_, CaptureOutcome::NoAnswer { why })
            | Self::Void(_, VoidOutcome::NoAnswer { why }) => Some(why.clone()),
            _ => None,
        }
    }
}
