-- What a customer's hourly bills come to by month. Where the months begin is said by their first instants:
-- the database's own time zones may be others than Python's.
SELECT width_bucket(hour_id, %(begins)s::timestamptz[]) AS place, count(*), sum(amount)
  FROM invoices_hourlybill
 WHERE customer_id = %(customer)s AND hour_id >= %(begin)s AND hour_id < %(end)s
 GROUP BY place
 ORDER BY place DESC
