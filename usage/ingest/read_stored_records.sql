SELECT record.customer_id, record.event_id, service.name, record.occurred_at, $measures,
       record.outcome, record.metadata
  FROM unnest(%s::bigint[], %s::text[]) AS sent (customer_id, event_id)
  JOIN usage_usagerecord AS record USING (customer_id, event_id)
  JOIN pricing_service AS service ON service.id = record.service_id
