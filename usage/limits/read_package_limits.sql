SELECT requested.customer, requested.service, bought.method, bought.packages, bought.units, bought.rpm, bought.tpm
  FROM unnest(%(customers)s::bigint[], %(services)s::bigint[]) AS requested (customer, service)
 CROSS JOIN LATERAL ($package_limits) AS bought
 WHERE bought.packages > 0
