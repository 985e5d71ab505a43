//! What a batch's callers are told.

use std::collections::HashMap;

use kernel::{DbError, UserId, idempotency::JsonBytes};

use super::{
    decide::Refusal,
    intake::{Reply, Waiting},
    transact::Outcome,
};
use crate::{api::dto::OrderView, error::OrderError, once::Answer};

/// Tells every caller what became of their placement. Answers those that have to be decided again, because the key they came
/// with was somebody else's who failed.
pub(super) fn settle(
    batch: Vec<Waiting>,
    outcomes: Vec<Result<Outcome, OrderError>>,
    followers: Vec<Waiting>,
) -> Vec<Waiting> {
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

/// What everybody is told while there is no database, or when nobody can say any more what became of their order.
pub(super) fn no_database() -> OrderError {
    DbError::Pool("the intake has no answer from the database".into()).into()
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
