//! Every kind of problem there is: the kernel's, the HTTP server's, and each module's.

use kernel::Kind;

/// All kinds, sorted by code. A code is listed once.
pub fn kinds() -> Vec<Kind> {
    let mut kinds = kernel::problem::kinds();
    kinds.extend(crate::http::problems::KINDS);
    kinds.extend(accounts::problems());
    kinds.extend(catalog::problems());
    kinds.extend(orders::problems());
    kinds.extend(payments::problems());
    kinds.sort_by_key(|kind| kind.code);
    kinds.dedup();
    kinds
}

/// The page `docs/problems.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Problems\n\n\
         Every refusal is `application/problem+json` (RFC 9457). Branch on `code`; it never changes its meaning. `detail` says what\n\
         happened this time, `errors` which part of the request is wrong, `request_id` what to name when asking for help.\n\n\
         This page is printed by `oms openapi --problems`.\n\n\
         | code | status | title |\n|---|---|---|\n",
    );
    for kind in kinds() {
        text.push_str(&format!("| `{}` | {} | {} |\n", kind.code, kind.status, kind.title));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_one_thing() {
        let kinds = kinds();
        for pair in kinds.windows(2) {
            assert_ne!(pair[0].code, pair[1].code, "declared twice with different meanings: {pair:?}");
        }
    }
}
