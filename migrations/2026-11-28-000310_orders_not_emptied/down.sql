DROP TRIGGER events_not_emptied ON orders.events;
DROP TRIGGER adjustments_not_emptied ON orders.adjustments;
DROP TRIGGER notes_not_emptied ON orders.notes;
