WITH wanted AS (
    SELECT code FROM unnest(%s::text[]) AS code
), names AS (
    SELECT called FROM unnest(%s::text[]) AS called
)
SELECT code, id, NULL, NULL, NULL FROM accounts_customer JOIN wanted USING (code)
 UNION ALL
SELECT names.called, service.id, service.name, item.measure, min(price.begins_at)
  FROM names
 CROSS JOIN LATERAL ($service_by_name) AS service
  JOIN pricing_billingitem AS item ON item.service_id = service.id
  JOIN pricing_price AS price ON price.billing_item_id = item.id AND price.customer_id IS NULL
 GROUP BY names.called, service.id, service.name, item.measure
