-- The service that a name stands for, if any: a service's own name takes precedence over an alias.
SELECT id, name, 0 AS turn FROM pricing_service WHERE name = $called
 UNION ALL
SELECT named.id, named.name, 1 AS turn
  FROM pricing_servicealias AS alias
  JOIN pricing_service AS named ON named.id = alias.service_id
 WHERE alias.alias = $called
 ORDER BY turn
 LIMIT 1
