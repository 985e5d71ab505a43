//! Payment attempts, refunds, gateways and the webhook inbox.
