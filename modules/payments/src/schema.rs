// @generated automatically by Diesel CLI.

pub mod payments {
    diesel::table! {
        payments.attempts (id) {
            id -> Uuid,
            order_id -> Uuid,
            gateway -> Text,
            amount_minor -> Int8,
            currency -> Text,
            state -> Text,
            reference -> Nullable<Text>,
            pay_url -> Nullable<Text>,
            captured_minor -> Int8,
            captured_currency -> Nullable<Text>,
            refunded_minor -> Int8,
            refunding_minor -> Int8,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
            capture_method -> Text,
            capturing_minor -> Int8,
            capture_id -> Nullable<Uuid>,
            voiding -> Bool,
            checked_at -> Nullable<Timestamptz>,
        }
    }

    diesel::table! {
        payments.inbox (id) {
            id -> Uuid,
            gateway -> Text,
            webhook_id -> Text,
            body -> Bytea,
            received_at -> Timestamptz,
            processed_at -> Nullable<Timestamptz>,
            outcome -> Nullable<Text>,
        }
    }

    diesel::table! {
        payments.refunds (id) {
            id -> Uuid,
            attempt_id -> Uuid,
            order_id -> Uuid,
            amount_minor -> Int8,
            currency -> Text,
            state -> Text,
            reason -> Text,
            reference -> Nullable<Text>,
            created_at -> Timestamptz,
            updated_at -> Timestamptz,
        }
    }

    diesel::table! {
        payments.transactions (id) {
            id -> Uuid,
            attempt_id -> Uuid,
            refund_id -> Nullable<Uuid>,
            kind -> Text,
            amount_minor -> Int8,
            currency -> Text,
            reference -> Nullable<Text>,
            event_id -> Nullable<Uuid>,
            detail -> Nullable<Text>,
            recorded_at -> Timestamptz,
        }
    }

    diesel::joinable!(refunds -> attempts (attempt_id));
    diesel::joinable!(transactions -> attempts (attempt_id));
    diesel::joinable!(transactions -> inbox (event_id));
    diesel::joinable!(transactions -> refunds (refund_id));

    diesel::allow_tables_to_appear_in_same_query!(attempts, inbox, refunds, transactions,);
}
