DROP TABLE kernel.compatibility;
