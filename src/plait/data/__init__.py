"""From raw tables to batches: schema, reading, joins, splits, preprocessing, store, loader."""
