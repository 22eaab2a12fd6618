-- The records of the segments that begin or end where a package ran out; without the calls at which one did.
      FROM segments
      $joined
      JOIN grouped ON grouped.place = segments.place
      LEFT JOIN run_out AS lower ON lower.customer = grouped.customer_id AND lower.position = segments.after
      LEFT JOIN run_out AS upper ON upper.customer = grouped.customer_id AND upper.position = segments.upto
      JOIN usage_usagerecord AS record
        ON record.customer_id = grouped.customer_id AND record.service_id = grouped.service_id
       AND record.occurred_at >= grouped.from_at AND record.occurred_at < grouped.until_at
       AND (segments.after IS NULL OR (record.occurred_at, record.event_id) > (lower.at, lower.event_id COLLATE "C"))
       AND (segments.upto IS NULL OR (record.occurred_at, record.event_id) < (upper.at, upper.event_id COLLATE "C"))
     WHERE record.billing_hour = %(hour)s AND record.reverses IS NULL AND record.is_charged IS NOT FALSE
       AND (%(customers)s::bigint[] IS NULL OR record.customer_id = ANY (%(customers)s::bigint[]))
