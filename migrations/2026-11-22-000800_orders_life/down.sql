DROP TABLE orders.return_lines, orders.returns, orders.shipment_lines, orders.shipments;
DROP FUNCTION orders.guard_return(), orders.guard_shipment();
ALTER TABLE orders.lines
    DROP CONSTRAINT lines_units_are_somewhere,
    DROP CONSTRAINT lines_delivered_was_shipped,
    DROP CONSTRAINT lines_returned_was_delivered,
    DROP CONSTRAINT lines_refunded_was_kept,
    DROP COLUMN packed_quantity,
    DROP COLUMN delivered_quantity,
    DROP COLUMN returning_quantity,
    DROP COLUMN refunded_quantity;
ALTER TABLE orders.orders
    DROP CONSTRAINT orders_refunds_within_captured,
    DROP COLUMN offline_method,
    DROP COLUMN capturing_minor,
    DROP COLUMN refunding_minor;
