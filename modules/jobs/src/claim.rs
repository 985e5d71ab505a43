//! Taking jobs out of one queue: one statement for all of its workers that have nothing to do.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use chrono::{DateTime, Utc};
use diesel::sql_types as st;
use kernel::{Queue, cached_sql};
use serde_json::Value;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    JobsError,
    end::{Ending, Verdict},
    outage::Outage,
    shared::{Failure, Held, LeaseToken, Life, Shared},
    stats::add,
};

/// A queue that has just been found empty is not asked again sooner, however often somebody wakes it.
const BREATH: Duration = Duration::from_millis(5);

/// A job this process holds.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub id: i64,
    pub queue: Queue,
    pub kind: String,
    pub args: Value,
    pub attempt: i16,
    pub max_attempts: i16,
    pub meta: Value,
    pub token: LeaseToken,
    pub start_lag: Duration,
    /// Whatever becomes of it, also in a panic, we know of the job for exactly as long as somebody has it in hand.
    pub _held: Held,
}

/// Where a worker without work leaves word that it wants some.
pub(crate) type Request = oneshot::Sender<Claimed>;

cached_sql! {
    Claim(
        queue: st::Text = &'static str, limit: st::BigInt = i64, lease: st::Uuid = Uuid, name: st::Text = String,
    ) -> (st::BigInt, st::Text, st::Jsonb, st::SmallInt, st::SmallInt, st::Jsonb, st::Timestamptz, st::Timestamptz),
    // A process that was declared dead claims nothing: what it took would be taken from it at once. By an array of ids, because a join
    // that is planned while the queue is empty goes through the whole index for each claim, until somebody analyses the table.
    "WITH picked AS MATERIALIZED ( \
         SELECT id FROM jobs.jobs WHERE queue = $1 AND state IN ('new', 'retried') AND scheduled_at <= now() \
         ORDER BY scheduled_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) \
     UPDATE jobs.jobs j SET state = 'in_progress', attempt = j.attempt + 1, lease_token = $3, attempted_by = $4, attempted_at = now() \
     WHERE j.id = ANY (ARRAY(SELECT id FROM picked)) AND EXISTS (SELECT 1 FROM jobs.workers WHERE token = $3 AND lost_at IS NULL) \
     RETURNING j.id, j.kind, j.args, j.attempt, j.max_attempts, j.meta, j.scheduled_at, j.attempted_at"
}

cached_sql! {
    /// Jobs that the table says we hold and that we know nothing of: the answer to the claim was lost on its way.
    Disown(lease: st::Uuid = Uuid, queue: st::Text = &'static str, held: st::Array<st::BigInt> = Vec<i64>) -> st::Untyped,
    "UPDATE jobs.jobs SET state = 'retried', attempt = greatest(attempt - 1, 0), lease_token = NULL \
     WHERE state = 'in_progress' AND lease_token = $1 AND queue = $2 AND id <> ALL($3)"
}

type Row = (i64, String, Value, i16, i16, Value, DateTime<Utc>, DateTime<Utc>);

/// Hands the jobs of `queue` to whoever asks, until the engine drains.
pub(crate) async fn serve(shared: Arc<Shared>, queue: Queue, requests: Arc<Mutex<mpsc::UnboundedReceiver<Request>>>) {
    let mut requests = requests.lock().await;
    let mut wakes = shared.wakes();
    let mut outage = Outage::new("claim");
    let mut waiting: VecDeque<Request> = VecDeque::new();
    let mut spare: VecDeque<Claimed> = VecDeque::new();
    let mut in_doubt = true;
    let mut checked_at = Instant::now();
    while shared.life() == Life::Working {
        if waiting.is_empty() {
            tokio::select! {
                biased;
                () = shared.reached(Life::Draining) => break,
                request = requests.recv() => match request {
                    Some(request) => waiting.push_back(request),
                    None => break,
                },
            }
        }
        while let Ok(request) = requests.try_recv() {
            waiting.push_back(request);
        }
        hand_out(&mut spare, &mut waiting);
        if waiting.is_empty() {
            continue;
        }
        let Some(lease) = *shared.lease.borrow() else {
            let mut leases = shared.lease.subscribe();
            tokio::select! {
                () = shared.reached(Life::Draining) => {}
                _ = leases.wait_for(Option::is_some) => {}
            }
            in_doubt = true;
            continue;
        };
        // Seen before the claim, so that a wake-up during it counts.
        wakes.borrow_and_update();
        let started = Instant::now();
        let wanted = waiting.len();
        let check = in_doubt || checked_at.elapsed() >= shared.settings.lease;
        match claim(&shared, queue, lease.token, wanted, check).await {
            Ok(claimed) => {
                outage.over();
                if check {
                    (in_doubt, checked_at) = (false, started);
                }
                let all = claimed.len() == wanted;
                spare.extend(claimed);
                hand_out(&mut spare, &mut waiting);
                if !all {
                    // The queue was empty at that moment.
                    tokio::select! {
                        biased;
                        () = shared.reached(Life::Draining) => break,
                        () = tokio::time::sleep(shared.settings.poll) => {}
                        () = async {
                            // Only an engine that is gone closes the channel.
                            let _ = wakes.changed().await;
                            tokio::time::sleep_until(started + BREATH).await;
                        } => {}
                    }
                }
            }
            Err(failure) => {
                in_doubt = true;
                let pause = outage.failed(&failure);
                shared.pause(pause, Life::Draining).await;
            }
        }
    }
    // Nobody will run these here. Whoever still waits learns from the closed channel that the day is over.
    for job in spare {
        Ending::send(&shared, &job, Verdict::Released).await;
    }
}

fn hand_out(spare: &mut VecDeque<Claimed>, waiting: &mut VecDeque<Request>) {
    while !waiting.is_empty() {
        let Some(job) = spare.pop_front() else { return };
        // A worker that is gone has not taken it.
        if let Some(Err(job)) = waiting.pop_front().map(|request| request.send(job)) {
            spare.push_front(job);
        }
    }
}

async fn claim(
    shared: &Arc<Shared>,
    queue: Queue,
    token: LeaseToken,
    wanted: usize,
    check: bool,
) -> Result<Vec<Claimed>, Failure> {
    let mut rows = shared
        .in_time(async {
            let mut conn = shared.pool.get().await?;
            let lease = token.as_uuid();
            if check {
                // Only this task claims in this queue, so what it does not know of now is nobody's.
                let held =
                    shared.in_flight().keys().filter(|(holder, _)| *holder == token).map(|(_, id)| *id).collect();
                let disown = Disown { lease: &lease, queue: &queue.name(), held: &held };
                let strays = diesel_async::RunQueryDsl::execute(disown, &mut *conn).await?;
                if strays > 0 {
                    tracing::warn!(
                        queue = queue.name(),
                        jobs = strays,
                        "gave back jobs whose claim was never answered"
                    );
                }
            }
            shared.counters.claims.fetch_add(1, Relaxed);
            let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
            let claim = Claim { queue: &queue.name(), limit: &limit, lease: &lease, name: &shared.name };
            Ok::<Vec<Row>, JobsError>(diesel_async::RunQueryDsl::load(claim, &mut *conn).await?)
        })
        .await?;
    // An UPDATE answers in whatever order it wrote.
    rows.sort_by_key(|(id, .., scheduled_at, _)| (*scheduled_at, *id));
    add(&shared.counters.claimed, rows.len());
    let claimed = |(id, kind, args, attempt, max_attempts, meta, scheduled_at, attempted_at): Row| Claimed {
        id,
        queue,
        kind,
        args,
        attempt,
        max_attempts,
        meta,
        token,
        start_lag: (attempted_at - scheduled_at).to_std().unwrap_or_default(),
        _held: Held::new(shared, token, id),
    };
    Ok(rows.into_iter().map(claimed).collect())
}
