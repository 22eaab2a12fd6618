WITH $consumed, $charged_lines
SELECT charged.usage_hour, service.name, measure, kind, unit_price, unit_size, records, quantity, amount,
       correction, coalesce(package.number, '') AS package
  FROM charged
  JOIN pricing_service AS service ON service.id = charged.service_id
  JOIN pricing_servicegroup AS section ON section.id = service.group_id
  LEFT JOIN pricing_quotapackage AS package ON package.id = charged.package_id
 ORDER BY usage_hour, section.position, service.position, billing_item_id, price_id, corrects_id NULLS FIRST,
          rerating_id NULLS FIRST, correction DESC
