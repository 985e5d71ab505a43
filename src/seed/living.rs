//! What becomes of orders after they are placed: packed, sent, lost, held, called off, sent back and refunded, by the people
//! whose work it is.

use std::collections::BTreeMap;

use kernel::{BusinessId, Caller, Money, OrderId};
use orders::{
    Cancel, CancelLines, Command, Hold, OfflineMethod, ReturnId, ShipmentId, Subject, Units, execute,
    fulfil::{Deliver, Lose, Pack, Ship, Tracking},
    paying::{ConfirmOffline, RecordPayment, Refund, RefundWhat},
    returning::{CloseReturn, DecideReturn, ReceiveReturn, ReceivedUnits, RequestReturn},
};
use payments::CaptureMethod;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{People, SeedError, Seeder, buying::ticket};

/// Where an order is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Paid, and to be packed.
    Paid,
    /// Not paid yet.
    Pending,
    /// A card was declined.
    Declined,
    /// Called off before it was paid.
    Cancelled,
    /// Not paid in time.
    Expired,
    /// Called off after it was paid.
    Refunded,
    /// Its money is held.
    Authorized,
    /// A unit was called off after it was paid.
    Trimmed,
    /// A parcel is on its way, another is packed; the held money was taken.
    PartlyShipped,
    /// Everything is on its way; the held money was taken.
    Shipped,
    /// Everything has arrived.
    Completed,
    /// Paid, and held back by staff.
    OnHold,
    /// To be paid at the door.
    CashOnDelivery,
    /// Paid to our account, and sent.
    BankTransfer,
    /// A parcel was lost and is on its way once more.
    Resent,
    /// Something is to come back.
    ReturnRequested,
    /// The seller has agreed.
    ReturnApproved,
    /// It is back, and its money is still here.
    ReturnReceived,
    /// The seller has not agreed.
    ReturnRejected,
    /// It came back damaged, and its money went back.
    ReturnClosed,
    /// Arrived late, and something was given back for that.
    Goodwill,
}

/// What becomes of every twenty-fourth order.
pub(super) const FATES: [Fate; 24] = [
    Fate::Paid,
    Fate::Pending,
    Fate::Authorized,
    Fate::Cancelled,
    Fate::Completed,
    Fate::Expired,
    Fate::Paid,
    Fate::Refunded,
    Fate::PartlyShipped,
    Fate::Declined,
    Fate::Shipped,
    Fate::OnHold,
    Fate::Paid,
    Fate::CashOnDelivery,
    Fate::Resent,
    Fate::BankTransfer,
    Fate::ReturnRequested,
    Fate::ReturnApproved,
    Fate::Paid,
    Fate::ReturnReceived,
    Fate::ReturnRejected,
    Fate::ReturnClosed,
    Fate::Trimmed,
    Fate::Goodwill,
];

impl Fate {
    /// What the buyer presses on the pay page, and how the money is collected; nothing for those who do not go there.
    pub(super) fn payment(self) -> Option<(&'static str, CaptureMethod)> {
        match self {
            Self::Pending | Self::Cancelled | Self::Expired | Self::CashOnDelivery | Self::BankTransfer => None,
            Self::Declined => Some(("decline", CaptureMethod::Automatic)),
            Self::Authorized | Self::PartlyShipped | Self::Shipped => Some(("approve", CaptureMethod::Manual)),
            _ => Some(("approve", CaptureMethod::Automatic)),
        }
    }

    /// Whether a single unit would be too little for it.
    pub(super) fn takes_several(self) -> bool {
        matches!(
            self,
            Self::Trimmed
                | Self::PartlyShipped
                | Self::ReturnRequested
                | Self::ReturnApproved
                | Self::ReturnReceived
                | Self::ReturnRejected
                | Self::ReturnClosed
                | Self::Goodwill
        )
    }
}

/// An order as placing answered it.
#[derive(Debug, Deserialize)]
pub(super) struct Bought {
    id: OrderId,
    total: Money,
    lines: Vec<BoughtLine>,
}

#[derive(Debug, Deserialize)]
struct BoughtLine {
    position: i16,
    business_id: BusinessId,
    quantity: i32,
}

/// An order, and where it is to end.
pub(super) struct Placed {
    pub(super) order: Bought,
    pub(super) customer: Caller,
    pub(super) fate: Fate,
    /// Its place among all orders of the demo.
    pub(super) number: usize,
}

/// Leads an order to where it is to end.
pub(super) async fn live(
    seeder: &Seeder,
    people: &People,
    owners: &BTreeMap<BusinessId, Caller>,
    placed: Placed,
) -> Result<(), SeedError> {
    let staff = people.get("olga").copied().ok_or(SeedError::Nobody("olga"))?;
    let fate = placed.fate;
    Life { seeder, owners, staff, placed, steps: 0 }.lead(fate).await
}

struct Life<'a> {
    seeder: &'a Seeder,
    owners: &'a BTreeMap<BusinessId, Caller>,
    staff: Caller,
    placed: Placed,
    /// How many commands it has seen.
    steps: usize,
}

impl Life<'_> {
    async fn lead(mut self, fate: Fate) -> Result<(), SeedError> {
        let (customer, staff, total) = (self.placed.customer, self.staff, self.placed.order.total);
        match fate {
            Fate::Paid | Fate::Pending | Fate::Declined | Fate::Expired | Fate::Authorized => {}
            Fate::Cancelled => self.on_order(customer, Cancel { reason: "Changed my mind".to_owned() }).await?,
            Fate::Refunded => self.on_order(customer, Cancel { reason: "It came too late".to_owned() }).await?,
            Fate::Trimmed => {
                let cancel = CancelLines { lines: vec![self.one_unit()?.1], reason: "One is enough".to_owned() };
                self.on_order(customer, cancel).await?;
            }
            Fate::OnHold => {
                self.on_order(staff, Hold { reason: "The address is being checked".to_owned() }).await?;
            }
            Fate::CashOnDelivery => {
                self.on_order(staff, ConfirmOffline { method: OfflineMethod::CashOnDelivery }).await?;
            }
            Fate::BankTransfer => {
                let method = OfflineMethod::BankTransfer;
                self.on_order(staff, ConfirmOffline { method }).await?;
                let reference = Some(format!("statement 47, line {}", self.placed.number + 1));
                self.on_order(staff, RecordPayment { amount: total, method, reference }).await?;
                self.send(self.parcels()).await?;
            }
            Fate::PartlyShipped => {
                let (business, unit) = self.one_unit()?;
                self.send(vec![(business, vec![unit])]).await?;
                let rest = Units { quantity: self.quantity(unit.position) - unit.quantity, ..unit };
                self.pack(business, vec![rest]).await?;
            }
            Fate::Shipped => {
                self.send(self.parcels()).await?;
            }
            Fate::Resent => {
                let sent = self.send(self.parcels()).await?;
                let Some((&(business, parcel), all)) = sent.first().zip(self.parcels().into_iter().next()) else {
                    return Ok(());
                };
                let lose = Lose { id: parcel, reason: "The carrier cannot find it".to_owned(), resend: true };
                self.act(self.owner(business)?, Subject::Shipment(parcel), lose).await?;
                self.send(vec![all]).await?;
            }
            Fate::Completed => self.arrive().await?,
            Fate::Goodwill => {
                self.arrive().await?;
                let gift = Money::new((total.minor / 10).max(1), total.currency);
                self.refund(RefundWhat::Goodwill(gift), "It came two days late").await?;
            }
            Fate::ReturnRequested
            | Fate::ReturnApproved
            | Fate::ReturnReceived
            | Fate::ReturnRejected
            | Fate::ReturnClosed => self.send_back(fate).await?,
        }
        Ok(())
    }

    /// One unit of the first line, and whose it is.
    fn one_unit(&self) -> Result<(BusinessId, Units), SeedError> {
        let line = self.placed.order.lines.first().ok_or(SeedError::NoLines)?;
        Ok((line.business_id, Units { position: line.position, quantity: 1 }))
    }

    fn quantity(&self, position: i16) -> i32 {
        self.placed.order.lines.iter().find(|line| line.position == position).map_or(0, |line| line.quantity)
    }

    fn owner(&self, business: BusinessId) -> Result<Caller, SeedError> {
        self.owners.get(&business).copied().ok_or(SeedError::Nobody("the owner of a business"))
    }

    /// Everything in the order, a parcel for every seller.
    fn parcels(&self) -> Vec<(BusinessId, Vec<Units>)> {
        let mut parcels: BTreeMap<BusinessId, Vec<Units>> = BTreeMap::new();
        for line in &self.placed.order.lines {
            let units = Units { position: line.position, quantity: line.quantity };
            parcels.entry(line.business_id).or_default().push(units);
        }
        parcels.into_iter().collect()
    }

    async fn pack(&mut self, business: BusinessId, lines: Vec<Units>) -> Result<ShipmentId, SeedError> {
        let order = Subject::Order(self.placed.order.id);
        let answer = self.act(self.owner(business)?, order, Pack { lines }).await?;
        part(&answer, "/shipment/id")
    }

    /// Packs parcels and sends them.
    async fn send(
        &mut self,
        parcels: Vec<(BusinessId, Vec<Units>)>,
    ) -> Result<Vec<(BusinessId, ShipmentId)>, SeedError> {
        let mut sent = Vec::new();
        for (business, lines) in parcels {
            let id = self.pack(business, lines).await?;
            let number = format!("VP{:07}{:02}VN", self.placed.number + 1, self.steps);
            let tracking = Tracking {
                carrier: Some("Viet Post".to_owned()),
                url: Some(format!("https://carrier.example/track/{number}")),
                number: Some(number),
            };
            self.act(self.owner(business)?, Subject::Shipment(id), Ship { id, tracking }).await?;
            sent.push((business, id));
        }
        Ok(sent)
    }

    /// Sends everything, and it arrives.
    async fn arrive(&mut self) -> Result<(), SeedError> {
        for (business, id) in self.send(self.parcels()).await? {
            self.act(self.owner(business)?, Subject::Shipment(id), Deliver { id }).await?;
        }
        Ok(())
    }

    /// One unit comes back, as far as it is to come.
    async fn send_back(&mut self, fate: Fate) -> Result<(), SeedError> {
        self.arrive().await?;
        let (business, unit) = self.one_unit()?;
        let (order, seller) = (Subject::Order(self.placed.order.id), self.owner(business)?);
        let request = RequestReturn { lines: vec![unit], reason: "It is not what I thought it was".to_owned() };
        let asked = self.act(self.placed.customer, order, request).await?;
        let id: ReturnId = part(&asked, "/return/id")?;
        let goods = Subject::Return(id);
        if fate == Fate::ReturnRequested {
            return Ok(());
        }
        let approve = fate != Fate::ReturnRejected;
        let decision = if approve { "Please use the label in the parcel." } else { "It has been used." };
        self.act(seller, goods, DecideReturn { id, approve, decision: Some(decision.to_owned()) }).await?;
        let (resellable, damaged) = match fate {
            Fate::ReturnReceived => (1, 0),
            Fate::ReturnClosed => (0, 1),
            _ => return Ok(()),
        };
        let lines = vec![ReceivedUnits { position: unit.position, resellable, damaged }];
        self.act(seller, goods, ReceiveReturn { id, lines }).await?;
        if fate == Fate::ReturnClosed {
            self.act(seller, goods, CloseReturn { id, decision: None }).await?;
            self.refund(RefundWhat::Lines(vec![unit]), "It came back damaged").await?;
        }
        Ok(())
    }

    async fn refund(&mut self, what: RefundWhat, reason: &str) -> Result<(), SeedError> {
        self.on_order(self.staff, Refund { what, reason: reason.to_owned(), payment: None }).await
    }

    async fn on_order<C: Command>(&mut self, caller: Caller, command: C) -> Result<(), SeedError> {
        self.act(caller, Subject::Order(self.placed.order.id), command).await.map(drop)
    }

    async fn act<C: Command>(&mut self, caller: Caller, subject: Subject, command: C) -> Result<Value, SeedError> {
        self.steps += 1;
        let ticket = ticket(caller, &format!("step-{}-{}", self.placed.order.id, self.steps));
        let answer = execute(&self.seeder.orders, caller, subject, Some(ticket), command).await?;
        Ok(serde_json::from_slice(answer.body.bytes())?)
    }
}

/// A part of an answer.
fn part<T: DeserializeOwned>(answer: &Value, pointer: &str) -> Result<T, SeedError> {
    Ok(serde_json::from_value(answer.pointer(pointer).cloned().unwrap_or_default())?)
}
