-- Before, an id named one call of all customers: the newest of each id stays.
DELETE FROM usage_admittedcall AS older
 USING usage_admittedcall AS newer
 WHERE older.call_id = newer.call_id
   AND (older.second, older.customer_id) < (newer.second, newer.customer_id);
ALTER TABLE usage_admittedcall
      DROP CONSTRAINT usage_admittedcall_pkey,
      ADD CONSTRAINT usage_admittedcall_pkey PRIMARY KEY (call_id);
