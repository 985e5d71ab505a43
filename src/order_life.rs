//! The page `docs/order-life.md`: prose by hand around diagrams and tables that are drawn from the machines in the code.

mod rows;

use std::collections::BTreeSet;

use orders::Machine;
use rows::ROWS;

/// The page as it is written by hand, with a place for every machine.
const PROSE: &str = include_str!("order_life/page.md");

/// What the tables say about one event of one machine.
struct Row {
    /// The machine.
    machine: &'static str,
    /// The event.
    event: &'static str,
    /// Who causes it, and how.
    who: &'static str,
    /// What has to be so.
    guard: &'static str,
    /// What it does on the shelf.
    stock: &'static str,
    /// What it does to money.
    money: &'static str,
}

fn machines() -> Vec<Machine> {
    let mut machines = orders::machines().to_vec();
    machines.push(Machine {
        name: "payment",
        states: payments::AttemptState::ALL.iter().map(|state| state.as_str()).collect(),
        moves: payments::attempt_moves(),
    });
    machines
}

/// The page `docs/order-life.md`.
pub fn markdown() -> String {
    let mut page = PROSE.to_owned();
    for machine in machines() {
        let place = format!("<!-- the machine: {} -->", machine.name);
        page = page.replace(&place, &format!("{place}\n{}\n{}", diagram(&machine), table(&machine).trim_end()));
    }
    page
}

/// The machine as Mermaid draws it: from where it begins to where nothing moves it any more.
fn diagram(machine: &Machine) -> String {
    let mut text = "```mermaid\nstateDiagram-v2\n".to_owned();
    if let Some(first) = machine.states.first() {
        text.push_str(&format!("    [*] --> {first}\n"));
    }
    for (from, event, to) in &machine.moves {
        text.push_str(&format!("    {from} --> {to}: {event}\n"));
    }
    let left: BTreeSet<_> = machine.moves.iter().map(|(from, ..)| from).collect();
    for end in machine.states.iter().filter(|state| !left.contains(state)) {
        text.push_str(&format!("    {end} --> [*]\n"));
    }
    text.push_str("```\n");
    text
}

/// A row for every event that moves the machine to a state: from where, and what comes with it.
fn table(machine: &Machine) -> String {
    let mut text = "| event | from | to | who | guard | stock | money |\n|---|---|---|---|---|---|---|\n".to_owned();
    let mut done = BTreeSet::new();
    for (_, event, to) in &machine.moves {
        // An event that leaves the machine where it is has one row, not one for every state.
        let stays = machine.moves.iter().all(|(from, other, to)| other != event || from == to);
        if !done.insert((event, if stays { &"" } else { to })) {
            continue;
        }
        let moves = machine.moves.iter().filter(|(_, other, end)| other == event && (stays || end == to));
        let from: Vec<_> = moves.map(|(from, ..)| format!("`{from}`")).collect();
        let to = if stays { "the same".to_owned() } else { format!("`{to}`") };
        let Row { who, guard, stock, money, .. } = row(machine.name, event).unwrap_or(&NOT_TOLD);
        text.push_str(&format!("| {event} | {} | {to} | {who} | {guard} | {stock} | {money} |\n", from.join(", ")));
    }
    text
}

const NOT_TOLD: Row = Row { machine: "", event: "", who: "", guard: "", stock: "", money: "" };

fn row(machine: &str, event: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.machine == machine && row.event == event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_told_about_and_nothing_else() {
        let moves: BTreeSet<_> = machines()
            .iter()
            .flat_map(|machine| machine.moves.iter().map(|(_, event, _)| (machine.name, *event)))
            .collect();
        let told: BTreeSet<_> = ROWS.iter().map(|row| (row.machine, row.event)).collect();
        assert_eq!(told, moves);
        assert_eq!(told.len(), ROWS.len(), "something is told twice");
    }

    #[test]
    fn every_machine_has_its_place_on_the_page() {
        let page = markdown();
        for machine in machines() {
            assert_eq!(
                PROSE.matches(&format!("<!-- the machine: {} -->", machine.name)).count(),
                1,
                "{}",
                machine.name
            );
        }
        assert_eq!(page.matches("```mermaid").count(), 4);
        for line in ["    confirmed --> completed: complete", "    completed --> [*]", "    shipped --> lost: lose"] {
            assert!(page.contains(line), "{line}");
        }
        assert!(page.contains("| hold | `pending`, `confirmed` | the same |"));
    }
}
