//! The intake: one thread, one connection, whatever is waiting is the next batch. While a batch is crowded with one variant,
//! orders that want others have a lane of their own, which is the same again: they wait neither for the crowd's batches nor for
//! its rows, unless they want what somebody in the crowd wants besides.
//!
//! A batch is two flights over the network: locks and look-ups, then all writes + COMMIT. Nothing waits for company: a lone
//! order is a batch of one, and what queues up while a batch commits is the next one. If a batch fails as a whole, its
//! placements are tried again one by one, so that one bad order never fails its neighbours. A batch that only came too late
//! for a key, which somebody else has used meanwhile, is made again as a whole.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use catalog::stock;
use diesel_async::SimpleAsyncConnection;
use futures_util::{
    FutureExt,
    future::{join, join4, join5},
};
use kernel::{
    DbError, PgConn, UserId,
    db::{self, PoolSettings},
    idempotency::{self, JsonBytes},
    job::{self, NewJob},
    metrics::when_committed,
};
use serde_json::json;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

use super::{
    Placement,
    crowd::Crowd,
    decide::{Accepted, Refusal, Shelf},
    statements,
};
use crate::{
    api::dto::OrderView,
    error::OrderError,
    event::{Actor, ActorKind, EventKind, NewEvent},
    jobs::{OrderMail, SendOrderMail},
    metrics,
    number::order_number,
    once::Answer,
    order::{Line, Order},
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus, Sums},
    viewer::Viewer,
};

type Reply = Result<Answer<OrderView>, OrderError>;
type Waiting = (Placement, oneshot::Sender<Reply>);
/// Since when it has been waiting.
type Arrived = (Instant, Waiting);

/// How the intake behaves.
#[derive(Debug, Clone)]
pub struct IntakeSettings {
    /// Where the database is.
    pub database_url: String,
    /// Placements in one batch, at most.
    pub max_batch: usize,
    /// Placements waiting in a lane, at most; beyond that the answer is 503.
    pub queue: usize,
}

impl IntakeSettings {
    /// The usual: batches of 128, a queue of 4,096.
    pub fn new(database_url: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), max_batch: 128, queue: 4_096 }
    }
}

/// The door through which every order comes in. Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<Door>);

struct Door {
    crowd: Arc<Crowd>,
    /// For whatever comes.
    main: Lane,
    /// For those that pass by a crowd.
    aside: Lane,
}

struct Lane {
    queue: mpsc::Sender<Arrived>,
    /// What the thread is started with, when the first order comes.
    unstarted: Mutex<Option<(Batcher, mpsc::Receiver<Arrived>)>>,
}

impl Lane {
    fn new(settings: IntakeSettings, crowd: Option<Arc<Crowd>>) -> Self {
        let (queue, waiting) = mpsc::channel(settings.queue);
        let batcher = Batcher { settings, crowd, conn: None };
        Self { queue, unstarted: Mutex::new(Some((batcher, waiting))) }
    }

    async fn place(&self, placement: Placement) -> Reply {
        if let Some((batcher, waiting)) = self.unstarted.lock().unwrap_or_else(PoisonError::into_inner).take() {
            begin(batcher, waiting);
        }
        let (reply, answer) = oneshot::channel();
        self.queue.try_send((Instant::now(), (placement, reply))).map_err(|_full_or_closed| OrderError::Overloaded)?;
        match answer.await {
            Ok(reply) => reply,
            Err(_shutting_down) => Err(OrderError::Overloaded),
        }
    }

    fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Intake {
    /// An intake over a database. A lane's thread and its connection begin with its first order, so that a process that places
    /// none has neither; they end with the last clone of the handle, after what is waiting.
    pub fn new(settings: IntakeSettings) -> Self {
        let crowd = Arc::<Crowd>::default();
        let main = Lane::new(settings.clone(), Some(crowd.clone()));
        Self(Arc::new(Door { crowd, main, aside: Lane::new(settings, None) }))
    }

    /// Places an order; answers after COMMIT. Once handed over, the placement is decided whether or not the caller waits.
    ///
    /// # Errors
    /// Why it was refused, [`OrderError::Overloaded`] when the queue is full, or what the database said.
    pub async fn place(&self, placement: Placement) -> Reply {
        let lane = if self.0.crowd.is_passed_by(&placement, Instant::now()) { &self.0.aside } else { &self.0.main };
        lane.place(placement).await
    }

    /// How many placements wait to be looked at.
    pub fn waiting(&self) -> usize {
        self.0.main.waiting() + self.0.aside.waiting()
    }
}

/// Starts the batcher on a thread of its own: while it has something to do PostgreSQL waits for it, and requests that are
/// read and answered meanwhile must not stand before it in a queue. A system that gives no more threads has it among them.
fn begin(batcher: Batcher, waiting: mpsc::Receiver<Arrived>) {
    let (hand_over, start) = std::sync::mpsc::channel::<(Runtime, Batcher, mpsc::Receiver<Arrived>)>();
    let run = move || {
        if let Ok((runtime, batcher, waiting)) = start.recv() {
            runtime.block_on(batcher.run(waiting));
        }
    };
    let thread = std::thread::Builder::new().name("oms-intake".to_owned()).spawn(run);
    match (tokio::runtime::Builder::new_current_thread().enable_all().build(), thread) {
        (Ok(runtime), Ok(_runs_until_the_last_handle_goes)) => drop(hand_over.send((runtime, batcher, waiting))),
        (runtime, thread) => {
            tracing::warn!(?runtime, ?thread, "the intake gets no thread of its own");
            // Dropped here, it would panic: we are among tasks.
            runtime.into_iter().for_each(Runtime::shutdown_background);
            tokio::spawn(batcher.run(waiting));
        }
    }
}

/// How long a batch may take; longer than the database's own deadlines, shorter than a request's.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often a batch is made again because somebody else was faster with one of its keys. Each time there is one key less that
/// can be lost, and nobody is faster so often but on purpose.
const KEYS_LOST: usize = 4;

/// A connection and whether its statements are prepared: a pipelined COMMIT would overtake a cold prepare.
struct Warm {
    conn: PgConn,
    is_warm: bool,
}

struct Batcher {
    settings: IntakeSettings,
    /// Whom it tells what its batches are crowded with.
    crowd: Option<Arc<Crowd>>,
    conn: Option<Warm>,
}

/// What became of a placement in its transaction.
enum Outcome {
    Accepted(JsonBytes<OrderView>),
    Refused(Refusal),
    /// Its key had been used: what is stored under it.
    KeyTaken {
        fingerprint: Vec<u8>,
        body: Option<Vec<u8>>,
    },
}

impl Batcher {
    async fn run(mut self, mut waiting: mpsc::Receiver<Arrived>) {
        let mut batch: Vec<Arrived> = Vec::with_capacity(self.settings.max_batch);
        while waiting.recv_many(&mut batch, self.settings.max_batch).await > 0 {
            batch.iter().for_each(|(since, _)| metrics::waited(since.elapsed()));
            if let Some(crowd) = &self.crowd {
                crowd.watch(batch.iter().map(|(_, (placement, _))| placement), Instant::now());
            }
            let batch = batch.drain(..).map(|(_, waiting)| waiting);
            let (dry, wet): (Vec<Waiting>, Vec<Waiting>) = batch.partition(|(placement, _)| placement.dry_run);
            for part in [wet, dry] {
                // The thread outlives a panic: whoever was waiting is told 503, because nobody answers them, and the queue goes on.
                if AssertUnwindSafe(self.answer_all(part)).catch_unwind().await.is_err() {
                    kernel::panics::count();
                    tracing::error!("the intake has panicked and goes on with the next batch");
                }
            }
        }
    }

    /// Answers everybody, in as many transactions as it takes: usually one.
    async fn answer_all(&mut self, mut open: Vec<Waiting>) {
        while !open.is_empty() {
            // A key stands in a transaction once; whoever comes with the same key is answered by what became of the first.
            let mut seen = HashMap::new();
            let (batch, followers): (Vec<Waiting>, Vec<Waiting>) = open.into_iter().partition(|(placement, _)| {
                placement
                    .ticket
                    .as_ref()
                    .is_none_or(|ticket| seen.insert((ticket.caller, ticket.key.clone()), ()).is_none())
            });
            let outcomes = self.decide_all(&batch).await;
            job::announce();
            #[cfg(test)]
            tests::trip(batch.iter().map(|(placement, _)| placement), "while answering");
            open = settle(batch, outcomes, followers);
        }
    }

    /// One transaction for all; if that fails, one for each.
    async fn decide_all(&mut self, batch: &[Waiting]) -> Vec<Result<Outcome, OrderError>> {
        let placements: Vec<&Placement> = batch.iter().map(|(placement, _)| placement).collect();
        let had_connection = self.conn.is_some();
        let mut attempt = when_committed(self.attempt(&placements)).await;
        // A connection that broke (not: fell silent) while nobody used it says nothing about the database. Keys make the
        // repetition safe, also when the COMMIT went through and only its answer was lost.
        let is_broken = matches!(&attempt, Err(error @ DbError::Query(_)) if error.is_unavailable());
        if had_connection && self.conn.is_none() && is_broken {
            attempt = when_committed(self.attempt(&placements)).await;
        }
        for _again in 0..KEYS_LOST {
            if !attempt.as_ref().is_err_and(idempotency::is_taken) {
                break;
            }
            tracing::debug!(orders = placements.len(), "a key of the batch was used elsewhere; making it again");
            attempt = when_committed(self.attempt(&placements)).await;
        }
        match attempt {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            // No use in asking one by one whether the database is away; callers repeat with their keys.
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = ?error, orders = placements.len(), "no orders can be placed");
                placements.iter().map(|_| Err(no_database())).collect()
            }
            Err(error) => {
                tracing::warn!(error = ?error, orders = placements.len(), "batch failed; trying its orders one by one");
                let mut outcomes = Vec::with_capacity(placements.len());
                for placement in placements {
                    outcomes.push(self.decide_alone(placement).await);
                }
                outcomes
            }
        }
    }

    /// A transaction of its own for one placement, repeated when it loses a race.
    async fn decide_alone(&mut self, placement: &Placement) -> Result<Outcome, OrderError> {
        for pause_ms in [5, 25] {
            match when_committed(self.attempt(&[placement])).await {
                Ok(outcomes) => return outcomes.into_iter().next().ok_or(OrderError::Overloaded),
                Err(error) if error.is_lost_race() || idempotency::is_taken(&error) => {
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await
                }
                Err(error) => return Err(error.into()),
            }
        }
        when_committed(self.attempt(&[placement])).await?.into_iter().next().ok_or(OrderError::Overloaded)
    }

    /// One transaction. The connection is kept only if it is known to be outside of one afterwards.
    async fn attempt(&mut self, placements: &[&Placement]) -> Result<Vec<Outcome>, DbError> {
        let mut warm = match self.conn.take() {
            Some(warm) => warm,
            None => Warm { conn: self.connect().await?, is_warm: false },
        };
        let began = Instant::now();
        let outcome = tokio::time::timeout(PATIENCE, async {
            // A panic belongs to the order that caused it: the batch fails like any other, and its orders are tried one by one.
            // Its connection is in the middle of something and goes.
            let result = AssertUnwindSafe(transact(&mut warm, placements)).catch_unwind().await;
            let Ok(result) = result else {
                kernel::panics::count();
                return (Err(panicked()), false);
            };
            let is_usable = result.is_ok() || warm.conn.batch_execute("ROLLBACK").await.is_ok();
            (result, is_usable)
        });
        let outcome = outcome.await;
        metrics::batch_took(began.elapsed());
        match outcome {
            Ok((result, is_usable)) => {
                self.conn = is_usable.then_some(warm);
                result.map_err(DbError::from)
            }
            // A database that says nothing at all: the connection goes, and whoever repeats the request finds out by its key
            // whether this was committed.
            Err(elapsed) => Err(DbError::Pool(Box::new(elapsed))),
        }
    }

    async fn connect(&self) -> Result<PgConn, DbError> {
        let settings =
            PoolSettings { application_name: "oms-intake", session: db::BY_INDEX, ..PoolSettings::default() };
        let connecting = db::connect(&self.settings.database_url, &settings);
        match tokio::time::timeout(Duration::from_secs(2), connecting).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(DbError::Pool(Box::new(error))),
            Err(elapsed) => Err(DbError::Pool(Box::new(elapsed))),
        }
    }
}

/// Decides and writes: two flights over the network, however many placements there are.
async fn transact(warm: &mut Warm, placements: &[&Placement]) -> diesel::QueryResult<Vec<Outcome>> {
    let conn = &warm.conn;
    let Some(first) = placements.first() else { return Ok(vec![]) };
    #[cfg(test)]
    tests::trip(placements.iter().copied(), "while deciding");
    let mut variants: Vec<_> =
        placements.iter().flat_map(|placement| placement.lines.iter().map(|line| line.variant_id)).collect();
    variants.sort_unstable();
    variants.dedup();

    // First flight.
    let (begun, offers, stored, numbers) = join4(
        async { (&mut &*conn).batch_execute("BEGIN").await },
        stock::lock_offers(conn, &variants),
        statements::find_keys(conn, placements),
        statements::take_numbers(conn, placements.len()),
    )
    .await;
    begun?;
    let mut shelf = Shelf::new(offers?);
    let mut stored: HashMap<(UserId, String), _> =
        stored?.into_iter().map(|(caller, key, fingerprint, body)| ((caller, key), (fingerprint, body))).collect();
    let mut numbers = numbers?.into_iter();

    let mut movements = Vec::new();
    let mut accepted = Vec::new();
    let mut outcomes = Vec::with_capacity(placements.len());
    for &placement in placements {
        let ticket = placement.ticket.as_ref().filter(|_| !stored.is_empty());
        if let Some((fingerprint, body)) = ticket.and_then(|ticket| stored.remove(&(ticket.caller, ticket.key.clone())))
        {
            outcomes.push(Some(Outcome::KeyTaken { fingerprint, body }));
            continue;
        }
        match shelf.decide(placement, &mut movements) {
            Ok(order) => {
                accepted.push((placement, order, numbers.next().unwrap_or_default()));
                outcomes.push(None);
            }
            Err(refusal) => {
                metrics::refused(&refusal);
                outcomes.push(Some(Outcome::Refused(refusal)));
            }
        }
    }

    let answers = if first.dry_run {
        let batch = Batch::of(accepted)?;
        kernel::metrics::nothing_was_kept();
        (&mut &*conn).batch_execute("ROLLBACK").await?;
        batch.answers
    } else if accepted.is_empty() {
        // Nothing to keep.
        (&mut &*conn).batch_execute("ROLLBACK").await?;
        vec![]
    } else {
        let answers = write(warm, &movements, accepted).await?;
        metrics::batch_committed(answers.len());
        answers
    };
    let mut answers = answers.into_iter();
    let outcome = |known: Option<Outcome>| {
        let accepted = known.or_else(|| answers.next().map(Outcome::Accepted));
        accepted.ok_or_else(|| diesel::result::Error::QueryBuilderError("an accepted order has no answer".into()))
    };
    outcomes.into_iter().map(outcome).collect()
}

/// What the accepted orders of a batch write besides stock, and what their callers are told.
struct Batch<'a> {
    placements: Vec<&'a Placement>,
    orders: Vec<Order>,
    events: Vec<NewEvent>,
    jobs: Vec<NewJob>,
    answers: Vec<JsonBytes<OrderView>>,
}

impl<'a> Batch<'a> {
    fn of(accepted: Vec<(&'a Placement, Accepted, i64)>) -> diesel::QueryResult<Self> {
        let mut batch = Self { placements: vec![], orders: vec![], events: vec![], jobs: vec![], answers: vec![] };
        for (placement, accepted, number) in accepted {
            #[cfg(test)]
            tests::trip(std::iter::once(placement), "while writing");
            let order = new_order(placement, accepted, number);
            metrics::placed(&order);
            let view = OrderView::of(&order, &Viewer::buyer(order.customer_id), order.placed_at);
            let answer = JsonBytes::written(&view);
            batch.answers.push(answer.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?);
            batch.events.extend(first_events(&order, placement));
            let mail = if order.status == OrderStatus::Confirmed { OrderMail::Confirmed } else { OrderMail::Placed };
            let job = NewJob::new(&SendOrderMail { order_id: order.id, mail, about: None })?;
            batch.jobs.push(job.of_request(&placement.request));
            batch.placements.push(placement);
            batch.orders.push(order);
        }
        Ok(batch)
    }

    /// Writes it all. Joins the caller's transaction.
    async fn write(&self, conn: &PgConn) -> diesel::QueryResult<()> {
        let (ordered, lined, told, queued, kept) = join5(
            statements::insert_orders(conn, &self.orders),
            statements::insert_lines(conn, &self.orders),
            statements::insert_events(conn, &self.events),
            job::insert(conn, &self.jobs),
            statements::keep_answers(conn, &self.placements, &self.answers),
        )
        .await;
        // In the order they were sent: whatever follows the first failure only says that the transaction is aborted.
        for written in [ordered, lined, told, queued.map(|()| 0), kept] {
            written?;
        }
        Ok(())
    }
}

/// Second flight: every write and COMMIT. A COMMIT after an error is a silent ROLLBACK, so every result is looked at.
/// Answers what the callers are told.
async fn write(
    warm: &mut Warm,
    movements: &[stock::Movement],
    accepted: Vec<(&Placement, Accepted, i64)>,
) -> diesel::QueryResult<Vec<JsonBytes<OrderView>>> {
    let conn = &warm.conn;
    let is_warm = warm.is_warm;
    let moving = stock::append(conn, movements);
    let rest = async {
        // Lets the stock go on its way: PostgreSQL moves it while the rest is put together.
        tokio::task::yield_now().await;
        let batch = Batch::of(accepted)?;
        if is_warm {
            let (written, committed) = join(batch.write(conn), commit(conn)).await;
            written.and(committed)?;
        } else {
            batch.write(conn).await?;
        }
        Ok::<_, diesel::result::Error>(batch.answers)
    };
    let (moved, answers) = join(moving, rest).await;
    moved?;
    let answers = answers?;
    if !is_warm {
        commit(conn).await?;
        warm.is_warm = true;
    }
    Ok(answers)
}

async fn commit(conn: &PgConn) -> diesel::QueryResult<()> {
    (&mut &*conn).batch_execute("COMMIT").await
}

/// The order that an accepted placement becomes. An order that costs nothing is confirmed at once.
fn new_order(placement: &Placement, accepted: Accepted, sequence: i64) -> Order {
    let is_free = accepted.total_minor == 0;
    let lines = accepted.lines.into_iter().zip(1..).map(|(line, position)| Line {
        position,
        variant_id: line.variant_id,
        product_id: line.product_id,
        business_id: line.business_id,
        sku: line.sku,
        name: line.name,
        quantity: line.quantity,
        cancelled_quantity: 0,
        packed_quantity: 0,
        shipped_quantity: 0,
        delivered_quantity: 0,
        returning_quantity: 0,
        returned_quantity: 0,
        refunded_quantity: 0,
        list_price_minor: line.list_price_minor,
        unit_price_minor: line.unit_price_minor,
        total_minor: line.total_minor,
    });
    Order {
        id: placement.order_id,
        number: order_number(sequence),
        customer_id: placement.customer,
        status: if is_free { OrderStatus::Confirmed } else { OrderStatus::Pending },
        payment_status: PaymentStatus::Unpaid,
        fulfillment_status: FulfillmentStatus::Unfulfilled,
        return_status: ReturnStatus::None,
        hold_reason: None,
        offline_method: None,
        currency: accepted.currency,
        total_minor: accepted.total_minor,
        original_total_minor: accepted.total_minor,
        sums: Sums::default(),
        ship_to: placement.ship_to.clone(),
        note: placement.note.clone(),
        placed_at: placement.placed_at,
        expires_at: (!is_free).then_some(placement.expires_at),
        confirmed_at: is_free.then_some(placement.placed_at),
        closed_at: None,
        updated_at: placement.placed_at,
        last_event: if is_free { 2 } else { 1 },
        lines: lines.collect(),
        adjustments: vec![],
        tags: vec![],
        shipments: vec![],
        returns: vec![],
    }
}

/// The beginning of its history.
fn first_events(order: &Order, placement: &Placement) -> Vec<NewEvent> {
    let event = |seq, kind, actor, data| NewEvent {
        order_id: order.id,
        seq,
        kind,
        actor,
        request_id: placement.request.request_id.clone(),
        data,
        at: order.placed_at,
    };
    let buyer = Actor { kind: ActorKind::Customer, id: Some(placement.customer) };
    let data = json!({ "total_minor": order.total_minor, "currency": order.currency, "lines": order.lines.len() });
    let mut events = vec![event(1, EventKind::Placed, buyer, data)];
    if order.status == OrderStatus::Confirmed {
        events.push(event(2, EventKind::Confirmed, Actor::SYSTEM, json!({ "because": "nothing to pay" })));
    }
    events
}

/// Tells every caller what became of their placement. Answers those that have to be decided again, because the key they came
/// with was somebody else's who failed.
fn settle(batch: Vec<Waiting>, outcomes: Vec<Result<Outcome, OrderError>>, followers: Vec<Waiting>) -> Vec<Waiting> {
    let mut open = Vec::new();
    let mut decided: HashMap<(UserId, String), (Vec<u8>, Decision)> = HashMap::new();
    for ((placement, reply), outcome) in batch.into_iter().zip(outcomes) {
        let decision = match outcome {
            Ok(Outcome::Accepted(body)) => Decision::Answer(Answer { body, replayed: false }),
            Ok(Outcome::Refused(refusal)) => Decision::Refuse(refusal),
            Ok(Outcome::KeyTaken { fingerprint, body }) => match body {
                _ if placement.ticket.as_ref().is_some_and(|ticket| ticket.fingerprint != fingerprint) => {
                    Decision::KeyReused(fingerprint)
                }
                Some(body) => Decision::Answer(Answer { body: JsonBytes::from_bytes(body), replayed: true }),
                None => Decision::InProgress,
            },
            Err(OrderError::Db(error)) if error.is_unavailable() => Decision::Unavailable,
            Err(error) => {
                // A caller that has gone away does not want to know.
                let _ = reply.send(Err(error));
                continue;
            }
        };
        let _ = reply.send(decision.clone().into());
        if let Some(ticket) = placement.ticket {
            let fingerprint = match &decision {
                Decision::KeyReused(stored) => stored.clone(),
                _ => ticket.fingerprint,
            };
            decided.insert((ticket.caller, ticket.key), (fingerprint, decision));
        }
    }
    for (placement, reply) in followers {
        let first = placement.ticket.as_ref().and_then(|ticket| {
            decided
                .get(&(ticket.caller, ticket.key.clone()))
                .map(|(fingerprint, decision)| (*fingerprint == ticket.fingerprint, decision))
        });
        match first {
            Some((true, Decision::Answer(answer))) => {
                let _ = reply.send(Ok(Answer { replayed: true, ..answer.clone() }));
            }
            Some((true, decision @ (Decision::Refuse(_) | Decision::InProgress))) => {
                let _ = reply.send(decision.clone().into());
            }
            // Asking again for every copy would keep everybody waiting behind a database that is away.
            Some((_, Decision::Unavailable)) => {
                let _ = reply.send(Decision::Unavailable.into());
            }
            Some((false, Decision::Answer(_) | Decision::InProgress | Decision::KeyReused(_))) => {
                let _ = reply.send(Err(OrderError::KeyReused));
            }
            _ => open.push((placement, reply)),
        }
    }
    open
}

/// What a batch in which something panicked says. The panic itself is in the log, with its place.
fn panicked() -> diesel::result::Error {
    diesel::result::Error::QueryBuilderError("deciding the placements panicked".into())
}

fn no_database() -> OrderError {
    DbError::Pool("the intake has no database".into()).into()
}

/// What a key's first user was told.
#[derive(Clone)]
enum Decision {
    Answer(Answer<OrderView>),
    Refuse(Refusal),
    InProgress,
    /// The key is stored with this fingerprint, which is not the caller's.
    KeyReused(Vec<u8>),
    /// Nothing: there is no database.
    Unavailable,
}

impl From<Decision> for Reply {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Answer(answer) => Ok(answer),
            Decision::Refuse(refusal) => Err(OrderError::Refused(refusal)),
            Decision::InProgress => Err(OrderError::InProgress),
            Decision::KeyReused(_) => Err(OrderError::KeyReused),
            Decision::Unavailable => Err(no_database()),
        }
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
pub(super) mod tests;
