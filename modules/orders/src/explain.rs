//! Why an order is as it is: its total step by step, its statuses with the sums they follow from, and what each line has on
//! the shelf. Nothing here decides anything; it says what the rules said.

use kernel::Money;

use crate::{
    api::{
        dto::money,
        explain_dto::{ExplainedStatus, ExplainedStep, ExplainedStock, OrderExplanation},
    },
    order::{Line, Order},
    status::{FulfillmentStatus, OrderStatus, PaymentStatus, ReturnStatus},
};

/// Explains an order.
pub fn explain(order: &Order) -> OrderExplanation {
    OrderExplanation {
        order_id: order.id,
        number: order.number.clone(),
        total: money(order.total_minor, &order.currency),
        total_steps: total_steps(order),
        balance_due: money(order.balance_due(), &order.currency),
        balance_steps: balance_steps(order),
        statuses: statuses(order),
        stock: order.lines.iter().map(|line| stock(order, line)).collect(),
    }
}

fn step(text: String, amount: Money) -> ExplainedStep {
    ExplainedStep { text, amount }
}

fn total_steps(order: &Order) -> Vec<ExplainedStep> {
    let money = |minor| money(minor, &order.currency);
    let mut steps: Vec<ExplainedStep> = order
        .lines
        .iter()
        .map(|line| {
            let price = match line.list_price_minor == line.unit_price_minor {
                true => format!("{} each", money(line.unit_price_minor)),
                false => format!(
                    "{} each instead of {}: the discount was rounded to the minor unit once, when the price was set",
                    money(line.unit_price_minor),
                    money(line.list_price_minor)
                ),
            };
            let text =
                format!("Line {}: {} {} of {} ordered, {price}", line.position, active(line), line.name, line.quantity);
            step(text, money(line.active_minor()))
        })
        .collect();
    steps.extend(order.adjustments.iter().map(|adjustment| {
        let side = if adjustment.is_charge { "Charge" } else { "Credit" };
        step(format!("{side} ({}): {}", adjustment.kind, adjustment.label), money(adjustment.signed()))
    }));
    let sum: i64 = steps.iter().map(|step| step.amount.minor).sum();
    if sum < 0 {
        steps.push(step("A total is never below zero".to_owned(), money(-sum)));
    }
    steps
}

/// `2`, or `2 (1 called off, 1 came back)`.
fn active(line: &Line) -> String {
    let parts: Vec<String> = [(line.cancelled_quantity, "called off"), (line.returned_quantity, "came back")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match parts.is_empty() {
        true => line.active_quantity().to_string(),
        false => format!("{} ({})", line.active_quantity(), parts.join(", ")),
    }
}

fn balance_steps(order: &Order) -> Vec<ExplainedStep> {
    let money = |minor| money(minor, &order.currency);
    let sums = order.sums;
    let mut steps = vec![
        step("Total".to_owned(), money(order.total_minor)),
        step("Captured".to_owned(), money(-sums.captured)),
        step("Refunded".to_owned(), money(sums.refunded)),
    ];
    // These have no part in the balance; they say what will move it.
    for (text, amount) in [
        ("On its way back, not counted yet", sums.refunding),
        ("Held by a gateway, not counted yet", sums.authorized),
        ("Being taken of what is held, not counted yet", sums.capturing),
    ] {
        if amount > 0 {
            steps.push(step(format!("{text}: {}", money(amount)), money(0)));
        }
    }
    steps
}

fn statuses(order: &Order) -> Vec<ExplainedStatus> {
    let status = |name: &str, value: &str, because: String| ExplainedStatus {
        name: name.to_owned(),
        value: value.to_owned(),
        because,
    };
    vec![
        status("status", order.status.as_str(), standing(order)),
        status("payment_status", order.payment_status.as_str(), paid(order)),
        status("fulfillment_status", order.fulfillment_status.as_str(), sent(order)),
        status("return_status", order.return_status.as_str(), came_back(order)),
    ]
}

fn standing(order: &Order) -> String {
    let at = |time: Option<chrono::DateTime<chrono::Utc>>| {
        time.map_or_else(String::new, |at| format!(" at {}", at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)))
    };
    let mut because = match order.status {
        OrderStatus::Pending => format!(
            "It was placed at {} and waits until its total is captured or held; it expires{} unless it is paid",
            order.placed_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            at(order.expires_at)
        ),
        OrderStatus::Confirmed => match order.offline_method {
            Some(method) => format!("Staff confirmed it{}; it is paid offline ({method})", at(order.confirmed_at)),
            None => format!("Its total was captured or held{}", at(order.confirmed_at)),
        },
        OrderStatus::Completed => {
            format!("Everything has arrived and nothing was owed, or staff completed it{}", at(order.closed_at))
        }
        OrderStatus::Cancelled => format!("It was called off{}", at(order.closed_at)),
        OrderStatus::Expired => format!("It was not paid in time; its stock went back{}", at(order.closed_at)),
    };
    if let Some(reason) = &order.hold_reason {
        because.push_str(&format!(". Staff hold it back: {reason}"));
    }
    because
}

fn paid(order: &Order) -> String {
    let money = |minor| money(minor, &order.currency);
    let (sums, total) = (order.sums, money(order.total_minor));
    let (captured, refunded, held) = (money(sums.captured), money(sums.refunded), money(sums.held()));
    let net = money(sums.captured - sums.refunded);
    match order.payment_status {
        PaymentStatus::Unpaid => "Nothing is captured and nothing is held".to_owned(),
        PaymentStatus::PartiallyAuthorized => format!("{held} is held, less than the total of {total}"),
        PaymentStatus::Authorized => format!("{held} is held, enough for the total of {total}"),
        PaymentStatus::Voided => "What was held was given up".to_owned(),
        PaymentStatus::Refunded => format!("All of the {captured} that was captured went back"),
        PaymentStatus::Overpaid => {
            format!("{captured} captured − {refunded} refunded = {net}, more than the total of {total}")
        }
        PaymentStatus::PartiallyRefunded => {
            format!("{captured} captured − {refunded} refunded = {net}, of a total of {total}")
        }
        PaymentStatus::PartiallyPaid => format!("{captured} captured, less than the total of {total}"),
        PaymentStatus::Paid => format!("{captured} captured, the total of {total}"),
    }
}

fn sent(order: &Order) -> String {
    let sum = |count: fn(&Line) -> i32| order.lines.iter().map(|line| i64::from(count(line))).sum::<i64>();
    let active = sum(|line| line.quantity - line.cancelled_quantity);
    let (shipped, delivered) = (sum(|line| line.shipped_quantity), sum(|line| line.delivered_quantity));
    match order.fulfillment_status {
        FulfillmentStatus::Unfulfilled => format!("None of {active} units was sent"),
        FulfillmentStatus::PartiallyFulfilled => format!("{shipped} of {active} units were sent"),
        FulfillmentStatus::Fulfilled => format!("All {active} units were sent, {delivered} have arrived"),
        FulfillmentStatus::Delivered => format!("All {active} units have arrived"),
    }
}

fn came_back(order: &Order) -> String {
    let sum = |count: fn(&Line) -> i32| order.lines.iter().map(|line| i64::from(count(line))).sum::<i64>();
    let (shipped, returned) = (sum(|line| line.shipped_quantity), sum(|line| line.returned_quantity));
    match order.return_status {
        ReturnStatus::None => "Nothing came back and nothing is announced".to_owned(),
        ReturnStatus::Requested => format!("{} units are announced", sum(|line| line.returning_quantity)),
        ReturnStatus::PartiallyReturned => format!("{returned} of {shipped} units that were sent came back"),
        ReturnStatus::Returned => format!("All {shipped} units that were sent came back"),
    }
}

fn stock(order: &Order, line: &Line) -> ExplainedStock {
    let holds = order.status.holds_stock();
    let reserved = if holds { line.reserved_quantity() } else { 0 };
    let parts: Vec<String> = [
        (line.cancelled_quantity, "called off and given back"),
        (line.packed_quantity, "packed and still promised"),
        (line.shipped_quantity, "sent and off the shelf"),
        (line.open_quantity(), "promised and to be packed"),
        (line.returned_quantity, "of the sent ones came back"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let back = order.returns.iter().flat_map(|goods| &goods.lines).filter(|one| one.position == line.position);
    let back: i32 = back.map(|one| one.resellable_quantity).sum();
    // Lost parcels left the shelf too.
    let gone = order.shipments.iter().filter(|parcel| parcel.shipped_at.is_some()).flat_map(|parcel| &parcel.lines);
    let gone: i32 = gone.filter(|one| one.position == line.position).map(|one| one.quantity).sum();
    ExplainedStock {
        position: line.position,
        variant_id: line.variant_id,
        sku: line.sku.clone(),
        reserved,
        on_hand: back - gone,
        because: format!("Of {} ordered: {}", line.quantity, parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_add_up_to_the_total_and_to_the_balance() {
        let mut order = crate::order::tests::order();
        order.sums.captured = 1_550;
        order.sums.refunded = 200;
        if let Some(line) = order.lines.first_mut() {
            line.cancelled_quantity = 1;
        }
        order.recompute();
        let explained = explain(&order);
        let sum = |steps: &[ExplainedStep]| steps.iter().map(|step| step.amount.minor).sum::<i64>();
        assert_eq!(sum(&explained.total_steps), order.total_minor);
        assert_eq!(sum(&explained.balance_steps), order.balance_due());
        assert!(explained.total_steps.iter().any(|step| step.text.contains("1 called off")), "{explained:?}");
    }
}
