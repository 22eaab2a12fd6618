-- The price of a billing item that counts for a customer at an instant, if any: of the prices in force the
-- customer's own comes before everybody's, then the kinds in the order of their ranks.
SELECT * FROM pricing_price AS candidate
 WHERE candidate.billing_item_id = $item
   AND (candidate.customer_id IS NULL OR candidate.customer_id = $customer)
   AND candidate.begins_at <= $instant
   AND (candidate.ends_at IS NULL OR candidate.ends_at > $instant)
 ORDER BY candidate.customer_id NULLS LAST, CASE candidate.kind $ranks END
 LIMIT 1
