-- Those of these names by which a service is called.
SELECT names.called
  FROM unnest(%s::text[]) AS names (called)
 CROSS JOIN LATERAL ($service_by_name) AS service
