//! Thousands of random lives of an order, beside a model of its shelf and its payments: what must be true of every one of
//! them, at every moment.

mod dice;
mod guide;
mod ledger;
mod replay;
mod shelf;
mod steps;
mod truth;
mod world;

use std::collections::BTreeMap;

use kernel::Problem;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use self::{
    steps::{ALL, Act, BY_LINES, step, usd},
    world::World,
};
use crate::{
    error::OrderError,
    event::EventKind,
    paying::{Refund, RefundWhat},
    shipment::Units,
};

const LIVES: u32 = 10_000;

type Truth = Result<(), TestCaseError>;

/// A life: what is ordered, and what happens then.
fn lives() -> impl Strategy<Value = ([u64; 5], Vec<u64>)> {
    (any::<[u64; 5]>(), prop::collection::vec(any::<u64>(), 5..50))
}

/// What was, before a step.
#[derive(Clone, Copy)]
struct Before {
    due: i64,
    events: usize,
}

/// Lives a life, and looks after each step.
fn live(seeds: &[u64; 5], steps: &[u64], look: impl Fn(Act, Before, &World) -> Truth) -> Truth {
    let mut world = World::place(seeds, true);
    for &number in steps {
        let before = Before { due: due(&world), events: world.events.len() };
        let (act, done) = step(&mut world, ALL, number);
        refused_by_a_rule(act, done)?;
        look(act, before, &world)?;
    }
    Ok(())
}

/// Whoever is refused is told why: nothing that is asked for is a mistake of ours.
fn refused_by_a_rule(act: Act, done: Result<(), OrderError>) -> Truth {
    if let Err(error) = done {
        let told = format!("{error:?}");
        let problem = Problem::from(error);
        prop_assert!((400..500).contains(&problem.status), "{:?}: {} {:?}", act, told, problem);
    }
    Ok(())
}

/// What is still owed, money that is on its way back taken for gone.
fn due(world: &World) -> i64 {
    world.order.total_minor - world.order.sums.kept()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(LIVES) })]

    #[test]
    fn m_06_sums_are_the_total_and_units_are_somewhere((seeds, steps) in lives()) {
        live(&seeds, &steps, |_, _, world| truth::sums(world))?;
    }

    #[test]
    fn m_06_money_is_what_the_payments_say_and_no_refund_makes_a_debt((seeds, steps) in lives()) {
        live(&seeds, &steps, |act, before, world| {
            truth::money(world)?;
            // A gateway that first declines a refund and then makes it may give back what was given back otherwise; and a
            // revived order is owed for again.
            let revived = world.events.iter().skip(before.events).any(|event| event.kind == EventKind::Revived);
            if revived {
                prop_assert_eq!(&world.order.lines, &world.unexpired, "what was called off before comes back");
            }
            if !matches!(act, Act::Answer | Act::Give) && !revived {
                prop_assert!(due(world) <= before.due.max(0), "{:?} {} {}", act, before.due, due(world));
            }
            Ok(())
        })?;
    }

    #[test]
    fn m_05_stock_is_what_the_units_say((seeds, steps) in lives()) {
        live(&seeds, &steps, |_, _, world| truth::stock(world))?;
    }

    #[test]
    fn m_07_statuses_are_functions_of_sums((seeds, steps) in lives()) {
        live(&seeds, &steps, |_, _, world| truth::statuses(world))?;
    }

    #[test]
    fn m_07_events_add_up_to_what_is_stored((seeds, steps) in lives()) {
        let mut world = World::place(&seeds, true);
        for number in steps {
            step(&mut world, ALL, number).1.ok();
        }
        replay::adds_up(&world)?;
    }

    #[test]
    fn guidance_is_true((seeds, steps) in lives()) {
        let mut world = World::place(&seeds, true);
        for number in steps.into_iter().take(30) {
            step(&mut world, ALL, number).1.ok();
        }
        // Looking takes as long as a hundred steps: it is done once in a life, and lives are of any length.
        guide::is_true(&world)?;
    }

    #[test]
    fn m_06_lines_are_given_back_exactly((seeds, steps) in lives()) {
        let mut world = World::place(&seeds, false);
        let total = world.order.total_minor;
        if total == 0 {
            return Ok(());
        }
        world.start_payment(total, false).unwrap();
        world.hear(|ledger| ledger.money(0, 0)).unwrap();
        for number in steps {
            let (act, done) = step(&mut world, BY_LINES, number);
            prop_assert!(!matches!(done, Err(OrderError::RefundTooLarge { .. })), "{:?} {:?}", act, done);
            refused_by_a_rule(act, done)?;
            exact(&world, total)?;
        }
        // In the end everything that is left is given back, line by line, and nothing remains.
        let left = world.order.lines.iter().filter(|line| line.refundable_quantity() > 0);
        let units: Vec<Units> =
            left.map(|line| Units { position: line.position, quantity: line.refundable_quantity() }).collect();
        if world.order.sums.kept() > 0 {
            let refund = Refund { what: RefundWhat::Lines(units), reason: "all of it".to_owned(), payment: None };
            world.run(&refund, &world.staff()).unwrap();
        }
        exact(&world, total)?;
        prop_assert_eq!((world.order.sums.kept(), world.order.total_minor), (0, 0));
        prop_assert_eq!(world.run(&Refund { what: RefundWhat::Amount(usd(1)), reason: "more".to_owned(), payment: None }, &world.staff()).is_err(), true);
    }
}

/// The lives are not all alike: everything that can happen does.
#[test]
fn everything_happens() {
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut events, mut statuses, mut adjusted) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for _ in 0..3_000 {
        let (seeds, steps) = lives().new_tree(&mut runner).unwrap().current();
        let mut world = World::place(&seeds, true);
        for number in steps {
            step(&mut world, ALL, number).1.ok();
        }
        for event in &world.events {
            *events.entry(event.kind).or_insert(0) += 1;
        }
        for one in &world.order.adjustments {
            *adjusted.entry(one.kind.clone()).or_insert(0) += 1;
        }
        let order = &world.order;
        for status in [
            order.status.as_str(),
            order.payment_status.as_str(),
            order.fulfillment_status.as_str(),
            order.return_status.as_str(),
        ] {
            *statuses.entry(status).or_insert(0) += 1;
        }
    }
    let told = format!("{events:?} {statuses:?} {adjusted:?}");
    for kind in EventKind::ALL.iter().filter(|kind| **kind != EventKind::Placed) {
        assert!(events.contains_key(kind), "no {kind}: {told}");
    }
    for kind in ["shipping", "refund", "goodwill", "refunded_before", "balance"] {
        assert!(adjusted.contains_key(kind), "no {kind}: {told}");
    }
    assert_eq!(statuses.len(), 5 + 9 + 4 + 4, "{told}");
}

/// What was given back is the price of the units that were called off or refunded, each once; the total is the price of
/// what the buyer keeps and has not got back.
fn exact(world: &World, paid: i64) -> Truth {
    let (mut given, mut total) = (0, 0);
    for line in &world.order.lines {
        given += line.unit_price_minor * i64::from(line.cancelled_quantity + line.refunded_quantity);
        let kept = line.quantity - line.cancelled_quantity - line.returned_quantity.max(line.refunded_quantity);
        total += line.unit_price_minor * i64::from(kept);
    }
    let sums = world.order.sums;
    prop_assert_eq!((sums.captured, sums.refunded + sums.refunding), (paid, given), "{:#?}", &world.order);
    prop_assert_eq!(world.order.total_minor, total, "{:#?}", &world.order);
    Ok(())
}
