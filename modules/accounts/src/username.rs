//! What people call themselves when they log in.

kernel::text_type! {
    /// A name to log in with. Upper and lower case are the same name; it never contains `@`, so that it cannot be
    /// mistaken for an e-mail address.
    pub struct Username {
        min: 3, max: 30, pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{2,29}$",
        say: "3 to 30 letters, digits, '.', '_' or '-', beginning with a letter or digit", example: "alice",
    }
}
