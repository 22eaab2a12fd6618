-- Open hours that come to more than a bound of parking, as they were last summed up, with the usual amount of the customer.
SELECT running.customer_id, running.hour, running.amount, usual.amount
  FROM invoices_runninghour AS running
  LEFT JOIN LATERAL ($usual) AS usual ON true
 WHERE running.hour > %(after)s AND ($is_beyond)
 ORDER BY running.hour, running.customer_id
