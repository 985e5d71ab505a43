//! Who looks at an order, or wants to change it: its buyer, a seller of some of its lines, or staff.

use std::collections::BTreeSet;

use kernel::{BusinessId, Caller, Role, UserId};

use crate::{
    error::OrderError,
    event::{Actor, ActorKind},
    order::Order,
};

/// A caller before an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub caller: Caller,
    /// Whether it is their order.
    pub is_buyer: bool,
    /// The businesses of the caller that have lines in it.
    pub businesses: BTreeSet<BusinessId>,
}

impl Viewer {
    /// The caller before an order; `businesses` are those the caller belongs to. Nobody who has no part in the order is
    /// told that it exists.
    ///
    /// # Errors
    /// [`OrderError::NotFound`].
    pub fn of(order: &Order, caller: Caller, businesses: &[BusinessId]) -> Result<Self, OrderError> {
        let businesses = order.lines.iter().map(|line| line.business_id).filter(|id| businesses.contains(id)).collect();
        let viewer = Self { caller, is_buyer: order.customer_id == caller.user_id, businesses };
        if viewer.is_staff() || viewer.is_buyer || !viewer.businesses.is_empty() {
            Ok(viewer)
        } else {
            Err(OrderError::NotFound)
        }
    }

    /// The buyer, before their own order.
    pub fn buyer(user_id: UserId) -> Self {
        Self { caller: Caller::new(user_id, Role::Customer), is_buyer: true, businesses: BTreeSet::new() }
    }

    /// Whether they work everybody's orders.
    pub fn is_staff(&self) -> bool {
        self.caller.is_staff()
    }

    /// Whether they sell for a business of this order.
    pub fn sells(&self, business: BusinessId) -> bool {
        self.businesses.contains(&business)
    }

    /// In which role they act.
    pub fn actor(&self) -> Actor {
        let actor = Actor::from(self.caller);
        if self.is_staff() || self.is_buyer { actor } else { Actor { kind: ActorKind::Seller, ..actor } }
    }

    /// The whole order is for its buyer and for staff.
    ///
    /// # Errors
    /// [`OrderError::NotFound`] for everybody else.
    pub fn must_own(&self) -> Result<(), OrderError> {
        if self.is_staff() || self.is_buyer { Ok(()) } else { Err(OrderError::NotFound) }
    }

    /// The goods of a business are for its members and for staff.
    ///
    /// # Errors
    /// [`OrderError::Forbidden`] for the buyer, who knows of them; [`OrderError::NotFound`] for everybody else.
    pub fn must_sell(&self, business: BusinessId) -> Result<(), OrderError> {
        match () {
            () if self.is_staff() || self.sells(business) => Ok(()),
            () if self.is_buyer => Err(OrderError::Forbidden("This is for the seller, and for operators.")),
            () => Err(OrderError::NotFound),
        }
    }

    /// Some things are for staff.
    ///
    /// # Errors
    /// [`OrderError::Forbidden`].
    pub fn must_be_staff(&self) -> Result<(), OrderError> {
        if self.is_staff() { Ok(()) } else { Err(OrderError::Forbidden("This is for operators.")) }
    }
}
