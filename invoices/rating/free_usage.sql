-- The usage for which a free trial is the price of every token item of the service, by customer, service and instant. What
-- was used while there was any trial of its service is picked out first, so that prices are looked up for little.
SELECT tried.customer_id, tried.service_id, tried.$instant
  FROM (SELECT DISTINCT used.customer_id, used.service_id, used.$instant
          FROM $usage AS used
          JOIN pricing_billingitem AS item ON item.service_id = used.service_id
          JOIN pricing_price AS trial ON trial.billing_item_id = item.id AND trial.kind = '$free_trial'
           AND trial.begins_at <= used.$instant AND (trial.ends_at IS NULL OR trial.ends_at > used.$instant)) AS tried
  JOIN pricing_billingitem AS item ON item.service_id = tried.service_id AND item.measure IN ($tokens)
 CROSS JOIN LATERAL ($price_in_force) AS price
 GROUP BY tried.customer_id, tried.service_id, tried.$instant
HAVING bool_and(price.kind = '$free_trial')
