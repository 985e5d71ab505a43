DROP TABLE kernel.trail;
DROP FUNCTION kernel.refuse_change();
