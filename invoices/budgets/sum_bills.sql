-- What the bills sealed within a span of closings hold of budgets' windows: of all services, of one, or of calls with a value
-- in their metadata.
WITH watched AS MATERIALIZED (
    SELECT use.id AS use_id, budget.customer_id, budget.service_id, budget.metadata_name AS name,
           budget.metadata_value AS value, use.begins_at,
           coalesce(use.billed_through, use.begins_at - interval '1 hour') AS after, its.through
      FROM unnest(%(uses)s::bigint[], %(through)s::timestamptz[]) AS its (use_id, through)
      JOIN usage_budgetuse AS use ON use.id = its.use_id
      JOIN usage_budget AS budget ON budget.id = use.budget_id
), sealed AS (
    SELECT watched.use_id, watched.service_id, watched.name, watched.value, bill.id AS bill_id, bill.amount
      FROM watched
      JOIN invoices_hourlybill AS bill
        ON bill.customer_id = watched.customer_id AND bill.hour_id >= watched.begins_at
       AND bill.sealed_in_id > watched.after AND bill.sealed_in_id <= watched.through
)
SELECT use_id, sum(amount)
  FROM (SELECT use_id, amount FROM sealed WHERE service_id IS NULL AND name = ''
         UNION ALL
        SELECT sealed.use_id, line.amount
          FROM sealed
          JOIN invoices_chargeline AS line ON line.bill_id = sealed.bill_id AND line.service_id = sealed.service_id
         WHERE sealed.name = ''
         UNION ALL
        SELECT sealed.use_id, part.amount
          FROM sealed
          JOIN invoices_chargeline AS line
            ON line.bill_id = sealed.bill_id AND (sealed.service_id IS NULL OR line.service_id = sealed.service_id)
          JOIN invoices_metadatausage AS part
            ON part.line_id = line.id AND part.name = sealed.name AND part.value = sealed.value
         WHERE sealed.name <> '') AS parts
 GROUP BY use_id
