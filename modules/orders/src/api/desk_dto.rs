//! The operator's desk on the wire: counts, exports, notes and tags.

use chrono::{DateTime, Utc};
use kernel::{BusinessId, Prose, Text, UserId};
use poem_openapi::{Object, types::Example};

use crate::{
    event::ActorKind,
    export::{Export, ExportId, ExportState, ExportWhat},
    notes::{Note, NoteId, NoteVisibility},
    query::{
        DeskFilter,
        counts::{COUNTED_MAX, TabCounts},
    },
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus},
    tags::OrderTag,
};

/// A number of orders, counted up to 999
#[derive(Debug, Clone, Object)]
pub struct OrderCount {
    /// How many; 999 when there are more
    pub count: i64,
    /// Whether there are more
    pub capped: bool,
}

impl From<i64> for OrderCount {
    fn from(counted: i64) -> Self {
        Self { count: counted.min(COUNTED_MAX), capped: counted > COUNTED_MAX }
    }
}

/// How many orders wait behind each tab of a desk
#[derive(Debug, Clone, Object)]
pub struct OrderCounts {
    /// Waiting for money: `status=pending`
    pub pending: OrderCount,
    /// Confirmed: `status=confirmed`
    pub confirmed: OrderCount,
    /// Held back: `on_hold=true`
    pub on_hold: OrderCount,
    /// Confirmed, not on hold, and not all of it sent: `to_ship=true`
    pub to_ship: OrderCount,
    /// With a return that is not closed: `return_open=true`
    pub returns_open: OrderCount,
    /// Completed: `status=completed`
    pub completed: OrderCount,
    /// Cancelled: `status=cancelled`
    pub cancelled: OrderCount,
    /// Expired: `status=expired`
    pub expired: OrderCount,
}

impl From<TabCounts> for OrderCounts {
    fn from(counts: TabCounts) -> Self {
        Self {
            pending: counts.pending.into(),
            confirmed: counts.confirmed.into(),
            on_hold: counts.on_hold.into(),
            to_ship: counts.to_ship.into(),
            returns_open: counts.returns_open.into(),
            completed: counts.completed.into(),
            cancelled: counts.cancelled.into(),
            expired: counts.expired.into(),
        }
    }
}

/// Which orders an export is of: what the list of all orders can be narrowed by
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, example)]
pub struct ExportFilter {
    /// That stand here
    pub status: Option<OrderStatus>,
    /// Whose ledger says this
    pub payment_status: Option<PaymentStatus>,
    /// Of which this has been sent
    pub fulfillment_status: Option<FulfillmentStatus>,
    /// Of which this has come back
    pub return_status: Option<ReturnStatus>,
    /// With this tag
    pub tag: Option<OrderTag>,
    /// With lines of this seller; an export of lines has no others
    pub business_id: Option<BusinessId>,
    /// Of this buyer
    pub customer_id: Option<UserId>,
    /// With this number
    pub number: Option<Text<1, 20>>,
    /// Placed at or after
    pub placed_from: Option<DateTime<Utc>>,
    /// Placed before
    pub placed_to: Option<DateTime<Utc>>,
    /// Held back by staff, or not
    pub on_hold: Option<bool>,
    /// Confirmed, not on hold, and not all of it sent; or anything else
    pub to_ship: Option<bool>,
    /// With a return that is not closed, or without
    pub return_open: Option<bool>,
    /// With these words in the number, the recipient's name, the city or the buyer's note
    pub q: Option<Text<1, 200>>,
}

impl Example for ExportFilter {
    fn example() -> Self {
        Self { status: Some(OrderStatus::Completed), ..Self::default() }
    }
}

impl From<ExportFilter> for DeskFilter {
    fn from(filter: ExportFilter) -> Self {
        Self {
            status: filter.status,
            payment_status: filter.payment_status,
            fulfillment_status: filter.fulfillment_status,
            return_status: filter.return_status,
            tag: filter.tag.map(OrderTag::into_string),
            business_id: filter.business_id,
            customer_id: filter.customer_id,
            number: filter.number.map(|number| number.into_string().to_ascii_uppercase()),
            placed_from: filter.placed_from,
            placed_to: filter.placed_to,
            on_hold: filter.on_hold,
            to_ship: filter.to_ship,
            return_open: filter.return_open,
            q: filter.q.map(Text::into_string),
        }
    }
}

/// A file to be written
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct CreateExport {
    /// What is in it
    pub what: ExportWhat,
    /// Of which orders; of all of them when it is left out
    pub filter: Option<ExportFilter>,
}

impl Example for CreateExport {
    fn example() -> Self {
        Self { what: ExportWhat::Orders, filter: Some(ExportFilter::example()) }
    }
}

/// A file of orders that somebody asked for
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ExportView {
    /// Its identifier
    pub id: ExportId,
    /// What is in it
    pub what: ExportWhat,
    /// Of which orders
    pub filter: serde_json::Value,
    /// How far it is
    pub state: ExportState,
    /// Rows, without the header; there when it is done
    pub row_count: Option<i64>,
    /// Bytes; there when it is done
    pub size_bytes: Option<i64>,
    /// Where to fetch it, without a token in a header: whoever has the link has the file. There while it is done
    pub download_url: Option<String>,
    /// When it was asked for
    pub created_at: DateTime<Utc>,
    /// When it was done, or given up
    pub finished_at: Option<DateTime<Utc>>,
    /// When the file and its link end
    pub expires_at: Option<DateTime<Utc>>,
}

impl ExportView {
    /// The export as it is shown.
    pub fn of(export: Export, download_url: Option<String>) -> Self {
        Self {
            id: export.id,
            what: export.what,
            filter: export.filter,
            state: export.state,
            row_count: export.row_count,
            size_bytes: export.size_bytes,
            download_url,
            created_at: export.created_at,
            finished_at: export.finished_at,
            expires_at: export.expires_at,
        }
    }
}

/// A page of one's exports, newest first
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ExportList {
    /// The exports
    pub data: Vec<ExportView>,
    /// Send it as `cursor` to read on; absent at the end
    pub next_cursor: Option<String>,
}

/// What an order is to be filed under
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct SetOrderTags {
    /// The tags it has from now on, and no others
    #[oai(validator(max_items = 20))]
    pub tags: Vec<OrderTag>,
}

impl Example for SetOrderTags {
    fn example() -> Self {
        Self { tags: vec![OrderTag::example("gift-wrap")] }
    }
}

/// What an order is filed under
#[derive(Debug, Clone, Object)]
pub struct OrderTags {
    /// The tags, sorted
    pub tags: Vec<String>,
}

/// Something to be written down about an order
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, example)]
pub struct WriteOrderNote {
    /// Who may read it; only staff write internal ones
    pub visibility: NoteVisibility,
    /// What it says
    pub body: Prose<1, 2000>,
}

impl Example for WriteOrderNote {
    fn example() -> Self {
        Self { visibility: NoteVisibility::Customer, body: Prose::example("We have found your parcel.") }
    }
}

/// Something that was written down about an order
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderNoteView {
    /// Its identifier
    pub id: NoteId,
    /// Who may read it
    pub visibility: NoteVisibility,
    /// What it says
    pub body: String,
    /// In which role somebody wrote it
    pub author_kind: ActorKind,
    /// Who wrote it; shown to staff
    pub author_id: Option<UserId>,
    /// When
    pub created_at: DateTime<Utc>,
}

impl OrderNoteView {
    /// The note as staff or the buyer may see it.
    pub fn of(note: Note, to_staff: bool) -> Self {
        Self {
            id: note.id,
            visibility: note.visibility,
            body: note.body,
            author_kind: note.author_kind,
            author_id: to_staff.then_some(note.author_id),
            created_at: note.created_at,
        }
    }
}

/// A page of notes about an order, oldest first
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderNoteList {
    /// The notes
    pub data: Vec<OrderNoteView>,
    /// Send it as `cursor` to read on; absent at the end
    pub next_cursor: Option<String>,
}
