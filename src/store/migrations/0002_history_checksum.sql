-- Of the result of a success, of the payload of the others; NULL where nothing is kept or an older build wrote it.
ALTER TABLE pyqueue_history ADD COLUMN checksum INTEGER;
