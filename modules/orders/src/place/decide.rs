//! What is accepted: a pure function over the locked stock. No I/O, no clock, no randomness.

use std::collections::BTreeMap;

use catalog::stock::{Movement, MovementKind, Offer};
use kernel::{BusinessId, ProductId, VariantId};

use super::Placement;

/// A line that was accepted: a copy of what the catalog offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedLine {
    /// Its variant.
    pub variant_id: VariantId,
    /// The variant's product.
    pub product_id: ProductId,
    /// The seller.
    pub business_id: BusinessId,
    /// Stock keeping unit.
    pub sku: String,
    /// The name it is sold under.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// Price of one before discount.
    pub list_price_minor: i64,
    /// Price of one, as sold.
    pub unit_price_minor: i64,
    /// Quantity times unit price.
    pub total_minor: i64,
}

/// An order that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its lines, in the order they were asked for.
    pub lines: Vec<AcceptedLine>,
    /// The currency of all of them.
    pub currency: String,
    /// The sum of the lines.
    pub total_minor: i64,
}

/// A line that cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Index of the line in the request.
    pub line: usize,
    /// How many were wanted.
    pub wanted: i32,
    /// How many there are.
    pub available: i64,
}

/// Why an order was refused. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// These lines name something that is not for sale.
    NotForSale(Vec<usize>),
    /// These lines want more than there is.
    OutOfStock(Vec<Shortage>),
    /// The lines are priced in more than one currency.
    MixedCurrencies,
    /// The total is not the one the buyer expected.
    TotalChanged {
        /// What the total is now.
        actual_minor: i64,
        /// In which currency.
        currency: String,
    },
    /// The total does not fit.
    TooLarge,
}

/// What became of one placement.
pub type Verdict = Result<Accepted, Refusal>;

/// The shelf as the batch sees it: every variant's locked row, with what the batch has taken so far.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    offers: BTreeMap<VariantId, Offer>,
}

/// The largest total an order may have; far below overflow in any sum of orders.
const MAX_TOTAL_MINOR: i64 = 1_000_000_000_000_000;

impl Shelf {
    /// A shelf with these rows.
    pub fn new(offers: Vec<Offer>) -> Self {
        Self { offers: offers.into_iter().map(|offer| (offer.variant_id, offer)).collect() }
    }

    /// The row of a variant as it is now.
    pub fn offer(&self, variant: VariantId) -> Option<&Offer> {
        self.offers.get(&variant)
    }

    /// Decides one placement. Accepted: its units are reserved on the shelf and the movements are appended to `movements`.
    /// Refused: nothing changes.
    ///
    /// # Errors
    /// Why it is refused. All lines or none: the first reason that applies to the whole order is told, with every line it
    /// applies to.
    pub fn decide(&mut self, placement: &Placement, movements: &mut Vec<Movement>) -> Verdict {
        let accepted = self.price(placement)?;
        for line in &accepted.lines {
            let Some(offer) = self.offers.get_mut(&line.variant_id) else { continue };
            offer.reserved += line.quantity;
            offer.version += 1;
            movements.push(Movement {
                variant_id: line.variant_id,
                kind: MovementKind::Reserve,
                on_hand_delta: 0,
                reserved_delta: line.quantity,
                on_hand_after: offer.on_hand,
                reserved_after: offer.reserved,
                version_after: offer.version,
                order_id: Some(placement.order_id),
                reason: None,
                actor: Some(placement.customer),
                at: placement.placed_at,
            });
        }
        Ok(accepted)
    }

    /// Prices a placement against the shelf without taking anything.
    fn price(&self, placement: &Placement) -> Verdict {
        let mut lines: Vec<(usize, i32, &Offer)> = Vec::with_capacity(placement.lines.len());
        let mut missing: Vec<usize> = Vec::new();
        for wanted in &placement.lines {
            match self.offers.get(&wanted.variant_id).filter(|offer| offer.sellable) {
                Some(offer) => lines.push((wanted.line, wanted.quantity, offer)),
                None => missing.push(wanted.line),
            }
        }
        if !missing.is_empty() {
            return Err(Refusal::NotForSale(missing));
        }
        let currency = lines.first().map(|(_, _, offer)| offer.currency.clone()).unwrap_or_default();
        if lines.iter().any(|(_, _, offer)| offer.currency != currency) {
            return Err(Refusal::MixedCurrencies);
        }
        let shortages: Vec<Shortage> = lines
            .iter()
            .filter(|(_, quantity, offer)| i64::from(*quantity) > available(offer))
            .map(|&(line, wanted, offer)| Shortage { line, wanted, available: available(offer).max(0) })
            .collect();
        if !shortages.is_empty() {
            return Err(Refusal::OutOfStock(shortages));
        }
        let mut total_minor: i64 = 0;
        let mut accepted = Vec::with_capacity(lines.len());
        for (_, quantity, offer) in lines {
            let line_total = offer.unit_price_minor.checked_mul(i64::from(quantity)).ok_or(Refusal::TooLarge)?;
            total_minor = total_minor
                .checked_add(line_total)
                .filter(|total| *total <= MAX_TOTAL_MINOR)
                .ok_or(Refusal::TooLarge)?;
            accepted.push(AcceptedLine {
                variant_id: offer.variant_id,
                product_id: offer.product_id,
                business_id: offer.business_id,
                sku: offer.sku.clone(),
                name: offer.name.clone(),
                quantity,
                list_price_minor: offer.list_price_minor,
                unit_price_minor: offer.unit_price_minor,
                total_minor: line_total,
            });
        }
        if placement
            .expected_total
            .is_some_and(|expected| expected.minor != total_minor || expected.currency.code() != currency)
        {
            return Err(Refusal::TotalChanged { actual_minor: total_minor, currency });
        }
        Ok(Accepted { lines: accepted, currency, total_minor })
    }
}

/// What a buyer can buy.
fn available(offer: &Offer) -> i64 {
    i64::from(offer.on_hand) - i64::from(offer.reserved) + i64::from(offer.backorder_limit)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use kernel::{Currency, Money, OrderId, UserId, request};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        address::Address,
        place::{Wanted, sum_duplicates},
    };

    fn variant(index: usize) -> VariantId {
        VariantId::from_uuid(uuid::Uuid::from_u128(u128::try_from(index).unwrap() + 1))
    }

    fn offers(stock: &[(i32, i64)]) -> Vec<Offer> {
        stock
            .iter()
            .enumerate()
            .map(|(index, &(on_hand, price))| Offer {
                variant_id: variant(index),
                product_id: ProductId::from_uuid(uuid::Uuid::from_u128(1)),
                business_id: BusinessId::from_uuid(uuid::Uuid::from_u128(1)),
                sku: format!("SKU-{index}"),
                name: "A thing".to_owned(),
                unit_price_minor: price,
                list_price_minor: price,
                currency: "USD".to_owned(),
                sellable: true,
                on_hand,
                reserved: 0,
                backorder_limit: 0,
                version: 0,
            })
            .collect()
    }

    fn placement(lines: &[(usize, i32)]) -> Placement {
        let wanted = lines.iter().map(|&(index, quantity)| (variant(index), quantity));
        Placement {
            order_id: OrderId::new(),
            customer: UserId::new(),
            lines: sum_duplicates(wanted).unwrap(),
            ship_to: Address::sample(),
            note: None,
            expected_total: None,
            ticket: None,
            dry_run: false,
            placed_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
            request: request::Context::default(),
        }
    }

    #[test]
    fn all_lines_or_none() {
        let mut shelf = Shelf::new(offers(&[(5, 100), (1, 100)]));
        let mut movements = vec![];
        let refused = shelf.decide(&placement(&[(0, 5), (1, 2)]), &mut movements);
        assert_eq!(refused, Err(Refusal::OutOfStock(vec![Shortage { line: 1, wanted: 2, available: 1 }])));
        assert!(movements.is_empty());
        assert_eq!(shelf.decide(&placement(&[(0, 5), (1, 1)]), &mut movements).unwrap().total_minor, 600);
    }

    #[test]
    fn unknown_unsellable_and_mixed_currencies_are_refused() {
        let mut stock = offers(&[(5, 100), (5, 100), (5, 100)]);
        stock[1].sellable = false;
        stock[2].currency = "EUR".to_owned();
        let mut shelf = Shelf::new(stock);
        assert_eq!(
            shelf.decide(&placement(&[(0, 1), (1, 1), (9, 1)]), &mut vec![]),
            Err(Refusal::NotForSale(vec![1, 2]))
        );
        assert_eq!(shelf.decide(&placement(&[(0, 1), (2, 1)]), &mut vec![]), Err(Refusal::MixedCurrencies));
    }

    #[test]
    fn an_expected_total_must_match_in_amount_and_currency() {
        let mut shelf = Shelf::new(offers(&[(50, 100)]));
        let mut order = placement(&[(0, 2)]);
        order.expected_total = Some(Money::new(199, Currency::USD));
        let changed = Refusal::TotalChanged { actual_minor: 200, currency: "USD".to_owned() };
        assert_eq!(shelf.decide(&order, &mut vec![]), Err(changed.clone()));
        order.expected_total = Some(Money::new(200, Currency::EUR));
        assert_eq!(shelf.decide(&order, &mut vec![]), Err(changed));
        order.expected_total = Some(Money::new(200, Currency::USD));
        assert!(shelf.decide(&order, &mut vec![]).is_ok());
    }

    #[test]
    fn a_total_that_does_not_fit_is_refused() {
        let mut shelf = Shelf::new(offers(&[(10_000, i64::MAX / 2)]));
        assert_eq!(shelf.decide(&placement(&[(0, 3)]), &mut vec![]), Err(Refusal::TooLarge));
        assert_eq!(shelf.decide(&placement(&[(0, 1)]), &mut vec![]), Err(Refusal::TooLarge));
    }

    #[test]
    fn too_many_of_one_variant_are_refused_by_sum() {
        let variant_id = VariantId::new();
        let lines = [(VariantId::new(), 1), (variant_id, 6_000), (variant_id, 6_000)];
        assert_eq!(sum_duplicates(lines), Err(1));
    }

    type Orders = Vec<Vec<(usize, i32)>>;

    fn shops() -> impl Strategy<Value = (Vec<(i32, i64)>, Orders)> {
        let stock = prop::collection::vec((0_i32..40, 0_i64..10_000), 1..6);
        let orders = prop::collection::vec(prop::collection::vec((0_usize..7, 1_i32..12), 1..6), 1..30);
        (stock, orders)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn m_04_never_accepts_more_than_there_is((stock, orders) in shops()) {
            let mut shelf = Shelf::new(offers(&stock));
            let mut movements = vec![];
            for order in &orders {
                let order = placement(order);
                let before = shelf.clone();
                let written = movements.len();
                match shelf.decide(&order, &mut movements) {
                    Ok(accepted) => {
                        // Duplicates were summed: each variant stands in one line, with everything that was asked of it.
                        prop_assert_eq!(accepted.lines.len(), order.lines.len());
                        prop_assert_eq!(accepted.lines.iter().map(|line| line.total_minor).sum::<i64>(), accepted.total_minor);
                        for (line, wanted) in accepted.lines.iter().zip(&order.lines) {
                            prop_assert_eq!((line.variant_id, line.quantity), (wanted.variant_id, wanted.quantity));
                            prop_assert_eq!(line.total_minor, line.unit_price_minor * i64::from(line.quantity));
                        }
                        prop_assert_eq!(movements.len() - written, accepted.lines.len());
                    }
                    Err(_) => {
                        // A refused placement changes nothing.
                        prop_assert_eq!(movements.len(), written);
                        prop_assert_eq!(&before.offers, &shelf.offers);
                    }
                }
                for offer in shelf.offers.values() {
                    prop_assert!(offer.reserved <= offer.on_hand);
                }
            }
            // The movements tell the whole story: their sums are the counters, their balances run without a gap.
            for (index, &(on_hand, _)) in stock.iter().enumerate() {
                let variant = variant(index);
                let own: Vec<&Movement> = movements.iter().filter(|movement| movement.variant_id == variant).collect();
                let mut reserved = 0;
                for (version, movement) in own.iter().enumerate() {
                    reserved += movement.reserved_delta;
                    prop_assert_eq!(movement.reserved_after, reserved);
                    prop_assert_eq!(movement.version_after, i64::try_from(version).unwrap() + 1);
                    prop_assert_eq!(movement.on_hand_after, on_hand);
                }
                prop_assert_eq!(shelf.offer(variant).unwrap().reserved, reserved);
            }
        }

        #[test]
        fn the_order_inside_the_batch_is_respected((stock, orders) in shops()) {
            // Deciding a batch is deciding its placements one after the other, each against what the earlier ones left.
            let mut shelf = Shelf::new(offers(&stock));
            let mut left: Vec<i32> = stock.iter().map(|(on_hand, _)| *on_hand).collect();
            for order in &orders {
                let order = placement(order);
                let index = |wanted: &Wanted| usize::try_from(wanted.variant_id.as_uuid().as_u128() - 1).unwrap();
                let fits = order.lines.iter().all(|line| left.get(index(line)).is_some_and(|&left| left >= line.quantity));
                prop_assert_eq!(shelf.decide(&order, &mut vec![]).is_ok(), fits);
                if fits {
                    for line in &order.lines {
                        left[index(line)] -= line.quantity;
                    }
                }
            }
        }
    }
}
