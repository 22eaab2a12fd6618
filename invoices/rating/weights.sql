-- A common table expression: how many tokens of a package a token of each measure takes, where it is not one.
weights AS MATERIALIZED (
    SELECT weighed.package_id, item.service_id, $weights
      FROM pricing_packageweight AS weighed
      JOIN pricing_billingitem AS item ON item.id = weighed.billing_item_id
     GROUP BY weighed.package_id, item.service_id
)
