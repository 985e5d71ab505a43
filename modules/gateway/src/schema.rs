// @generated automatically by Diesel CLI.

pub mod gateway {
    diesel::table! {
        gateway.captures (id) {
            id -> Uuid,
            payment_id -> Uuid,
            idempotency_key -> Text,
            amount_minor -> Int8,
            reference -> Text,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        gateway.chaos (id) {
            id -> Bool,
            modes -> Jsonb,
            updated_at -> Timestamptz,
        }
    }

    diesel::table! {
        gateway.deliveries (id) {
            id -> Uuid,
            message_id -> Text,
            payment_id -> Uuid,
            kind -> Text,
            webhook_url -> Text,
            body -> Text,
            attempts -> Int4,
            last_error -> Nullable<Text>,
            created_at -> Timestamptz,
            delivered_at -> Nullable<Timestamptz>,
            chaos -> Array<Nullable<Text>>,
        }
    }

    diesel::table! {
        gateway.payments (id) {
            id -> Uuid,
            idempotency_key -> Text,
            token -> Text,
            amount_minor -> Int8,
            currency -> Text,
            reference -> Text,
            description -> Text,
            webhook_url -> Text,
            return_url -> Nullable<Text>,
            status -> Text,
            captured_minor -> Int8,
            refunded_minor -> Int8,
            chaos -> Text,
            created_at -> Timestamptz,
            expires_at -> Timestamptz,
            updated_at -> Timestamptz,
            capture_method -> Text,
            authorized_at -> Nullable<Timestamptz>,
            chaos_modes -> Nullable<Jsonb>,
            charged_currency -> Nullable<Text>,
            origin -> Jsonb,
        }
    }

    diesel::table! {
        gateway.refunds (id) {
            id -> Uuid,
            payment_id -> Uuid,
            idempotency_key -> Text,
            amount_minor -> Int8,
            reference -> Text,
            status -> Text,
            reason -> Nullable<Text>,
            created_at -> Timestamptz,
        }
    }

    diesel::table! {
        gateway.transactions (id) {
            id -> Uuid,
            payment_id -> Uuid,
            refund_id -> Nullable<Uuid>,
            kind -> Text,
            amount_minor -> Int8,
            recorded_at -> Timestamptz,
        }
    }

    diesel::joinable!(captures -> payments (payment_id));
    diesel::joinable!(deliveries -> payments (payment_id));
    diesel::joinable!(refunds -> payments (payment_id));
    diesel::joinable!(transactions -> payments (payment_id));
    diesel::joinable!(transactions -> refunds (refund_id));

    diesel::allow_tables_to_appear_in_same_query!(captures, chaos, deliveries, payments, refunds, transactions,);
}
