-- In words, the first stretch in which an item would have no price for everybody; NULL if there is none.
CREATE OR REPLACE FUNCTION gap_of_item(item bigint) RETURNS text LANGUAGE sql VOLATILE AS $$
    WITH covered AS (
        SELECT range_agg(tstzrange(begins_at, ends_at)) AS periods, min(begins_at) AS first
          FROM pricing_price WHERE billing_item_id = item AND customer_id IS NULL
    ), gap AS (
        SELECT period
          FROM covered, unnest(coalesce(tstzmultirange(tstzrange(first, NULL)) - periods, '{(,)}')) AS period
         ORDER BY period LIMIT 1
    )
    SELECT format('%s: %s would be without a price for everybody%s%s.', service.name,
                  replace(billing_item.measure, '_', ' '),
                  to_char(lower(period) AT TIME ZONE 'UTC', '" from "YYYY-MM-DD HH24:MI:SS" UTC"'),
                  coalesce(to_char(upper(period) AT TIME ZONE 'UTC', '" until "YYYY-MM-DD HH24:MI:SS" UTC"'), ' on'))
      FROM gap, pricing_billingitem AS billing_item
      JOIN pricing_service AS service ON service.id = billing_item.service_id
     WHERE billing_item.id = item
$$;
