-- What an hour of a customer usually comes to: the average of its bills of the last days, where there are enough to know.
SELECT avg(bill.amount) AS amount
  FROM invoices_hourlybill AS bill
 WHERE bill.customer_id = $customer AND bill.hour_id >= $hour - %(usual_within)s::interval AND bill.hour_id < $hour
HAVING count(*) >= %(bills_to_know)s
