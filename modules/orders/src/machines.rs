//! The state machines of orders, parcels and returns as data, for those who draw them.

use crate::{
    returns::{ReturnEvent, ReturnState},
    shipment::{ShipmentEvent, ShipmentState},
    status::{OrderEvent, OrderStatus},
};

/// A machine: its states in order, and every move that its table allows as (from, event, to).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What it is the life of.
    pub name: &'static str,
    /// Its states; the first is where it begins.
    pub states: Vec<&'static str>,
    /// Its moves, by event.
    pub moves: Vec<(&'static str, &'static str, &'static str)>,
}

macro_rules! machine {
    ($name:literal, $state:ident, $event:ident) => {
        Machine {
            name: $name,
            states: $state::ALL.iter().map(|state| state.as_str()).collect(),
            moves: $event::ALL
                .iter()
                .flat_map(|&event| $state::ALL.iter().map(move |&from| (from, event)))
                .filter_map(|(from, event)| Some((from.as_str(), event.as_str(), from.after(event).ok()?.as_str())))
                .collect(),
        }
    };
}

/// The machines, asked what they do with every event in every state.
pub fn machines() -> [Machine; 3] {
    [
        machine!("order", OrderStatus, OrderEvent),
        machine!("shipment", ShipmentState, ShipmentEvent),
        machine!("return", ReturnState, ReturnEvent),
    ]
}
